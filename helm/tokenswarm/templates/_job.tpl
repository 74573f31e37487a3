{{/* The spec of a job of a role: (dict "root" $ "role" "master"). A run is never repeated by itself: its exit code is the job's. */}}
{{- define "tokenswarm.job" -}}
{{- $worker := eq .role "worker" }}
backoffLimit: {{ $worker | ternary .root.Values.workers.backoffLimit 0 }}
activeDeadlineSeconds: {{ .root.Values.job.deadline }}
ttlSecondsAfterFinished: {{ .root.Values.job.keep }}
{{- if $worker }}
parallelism: {{ .root.Values.workers.count }}
completions: {{ .root.Values.workers.count }}
{{- end }}
template: {{- include "tokenswarm.pod" (merge (dict "restart" "Never") .) | trim | nindent 2 }}
{{- end }}

{{/* A job now, or one by schedule. The name of a job has the release's revision: an upgrade is a new run. */}}
{{- define "tokenswarm.jobs" -}}
{{- $values := .root.Values }}
apiVersion: batch/v1
{{- if eq $values.mode "nightly" }}
kind: CronJob
metadata: {{- include "tokenswarm.metadata" . | trim | nindent 2 }}
spec:
  schedule: {{ $values.nightly.schedule | quote }}
  timeZone: {{ $values.nightly.timeZone }}
  suspend: {{ $values.nightly.suspend }}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: {{ $values.nightly.startingDeadline }}
  successfulJobsHistoryLimit: {{ $values.nightly.history }}
  failedJobsHistoryLimit: {{ $values.nightly.history }}
  jobTemplate:
    metadata:
      labels: {{- include "tokenswarm.labels" . | trim | nindent 8 }}
    spec: {{- include "tokenswarm.job" . | trim | nindent 6 }}
{{- else }}
kind: Job
metadata: {{- include "tokenswarm.metadata" (merge (dict "name" (printf "%s-%d" .role .root.Release.Revision)) .) | trim | nindent 2 }}
spec: {{- include "tokenswarm.job" . | trim | nindent 2 }}
{{- end }}
{{- end }}

{{/* The spec of a deployment of a role: (dict "root" $ "role" "simulator" "replicas" 1). */}}
{{- define "tokenswarm.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata: {{- include "tokenswarm.metadata" . | trim | nindent 2 }}
spec:
  replicas: {{ .replicas }}
  strategy:
    type: Recreate
  selector:
    matchLabels: {{- include "tokenswarm.selector" . | trim | nindent 6 }}
  template: {{- include "tokenswarm.pod" . | trim | nindent 4 }}
{{- end }}
