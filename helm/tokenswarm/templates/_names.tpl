{{/* Names and labels. */}}
{{- define "tokenswarm.name" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels that select pods: (dict "root" $ "role" "master"); those of the values can never replace them. */}}
{{- define "tokenswarm.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "tokenswarm.labels" -}}
{{ include "tokenswarm.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* metadata of an object: (dict "root" $ "role" "master" "name" suffix); the suffix defaults to the role. */}}
{{- define "tokenswarm.metadata" -}}
name: {{ include "tokenswarm.name" .root }}-{{ .name | default .role }}
namespace: {{ .root.Release.Namespace }}
labels: {{- include "tokenswarm.labels" . | trim | nindent 2 }}
{{- end }}

{{/* As metadata, with the labels by which a Prometheus finds its monitors and rules. */}}
{{- define "tokenswarm.monitor" -}}
name: {{ include "tokenswarm.name" .root }}-{{ .role }}
namespace: {{ .root.Release.Namespace }}
labels: {{- toYaml (mergeOverwrite (dict) .root.Values.metrics.labels (include "tokenswarm.labels" . | fromYaml)) | nindent 2 }}
{{- end }}
