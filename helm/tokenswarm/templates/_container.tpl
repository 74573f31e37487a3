{{/* The container of a role: (dict "root" $ "role" "worker"). */}}
{{- define "tokenswarm.container" -}}
{{- $values := .root.Values }}
{{- $swarm := or (eq .role "master") (eq .role "worker") }}
name: {{ .role }}
image: {{ include "tokenswarm.image" . }}
imagePullPolicy: {{ $values.image.pullPolicy }}
args: {{- include (printf "tokenswarm.args.%s" .role) .root | trim | nindent 2 }}
workingDir: /results
{{- with include "tokenswarm.env" . }}
env: {{- . | trim | nindent 2 }}
{{- end }}
{{- with include "tokenswarm.envFrom" . }}
envFrom: {{- . | trim | nindent 2 }}
{{- end }}
{{- with include "tokenswarm.ports" . }}
ports: {{- . | trim | nindent 2 }}
{{- end }}
{{- with include "tokenswarm.probes" . }}
{{ . | trim }}
{{- end }}
resources: {{- include "tokenswarm.resources" . | trim | nindent 2 }}
securityContext: {{- include "tokenswarm.confined" . | trim | nindent 2 }}
terminationMessagePath: /dev/termination-log
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - name: tmp
    mountPath: /tmp
  - name: results
    mountPath: /results
{{- if or (eq .role "test") (and $swarm (or $values.scenario.inline $values.scenario.configMap)) }}
  - name: scenario
    mountPath: /scenario
    readOnly: true
{{- end }}
{{- if $swarm }}
{{- range $index, $file := $values.secretFiles }}
  - name: secret-{{ $index }}
    mountPath: {{ $file.path }}
    readOnly: true
{{- end }}
{{- end }}
{{- end }}

{{- define "tokenswarm.image" -}}
{{- $image := .root.Values.image }}
{{- $tag := $image.tag | default .root.Chart.AppVersion }}
{{- if not (has .role (list "master" "test")) }}{{ $tag = $image.swarmTag | default $tag }}{{ end }}
{{- printf "%s:%s" $image.repository $tag }}
{{- end }}

{{/* Nothing but the process itself, as nobody, on a file system that it cannot write to. */}}
{{- define "tokenswarm.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Memory limit = request. No CPU limit unless pinned: throttling would be measured as latency. */}}
{{- define "tokenswarm.resources" -}}
{{- $values := .root.Values }}
{{- $cpu := dict "master" $values.master.cpu "worker" $values.workers.processes "simulator" $values.simulator.cpu "gpu-exporter" "100m" "test" 1 }}
{{- $memory := dict "master" $values.master.memory "worker" $values.workers.memory "simulator" $values.simulator.memory "gpu-exporter" $values.gpuExporter.memory "test" "1Gi" }}
{{- if and (eq .role "master") (not (eq $values.mode "interactive")) (not $values.workers.count) }}
{{- $_ := set $cpu "master" (add1 $values.workers.processes) }}
{{- end }}
requests:
  cpu: {{ get $cpu .role | toString | quote }}
  memory: {{ get $memory .role }}
limits:
{{- if and $values.pinned (ne .role "gpu-exporter") }}
  cpu: {{ get $cpu .role | toString | quote }}
{{- end }}
  memory: {{ get $memory .role }}
{{- end }}

{{- define "tokenswarm.env" -}}
{{- $values := .root.Values }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- if eq .role "gpu-exporter" }}
- name: NVIDIA_VISIBLE_DEVICES
  value: all
- name: NVIDIA_DRIVER_CAPABILITIES
  value: utility
{{- end }}
{{- if has .role (list "master" "worker") }}
{{- if $values.metrics.enabled }}
- name: TOKENSWARM_METRICS_HOST
  value: 0.0.0.0
- name: TOKENSWARM_METRICS_PORT
  value: {{ $values.metrics.port | quote }}
{{- end }}
{{- range $values.secrets }}
- name: {{ .env }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end }}
{{- with $values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- if eq .role "master" }}
- name: TOKENSWARM_VERDICT_FILE
  value: /dev/termination-log
{{- with $values.metrics.pushgateway }}
- name: TOKENSWARM_PUSHGATEWAY
  value: {{ . | quote }}
{{- end }}
{{- with $values.metrics.remoteWrite }}
- name: TOKENSWARM_REMOTE_WRITE
  value: {{ . | quote }}
{{- end }}
{{- if eq $values.mode "nightly" }}
{{- with $values.nightly.webhookSecret }}
- name: TOKENSWARM_WEBHOOK
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $values.nightly.webhookKey }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tokenswarm.envFrom" -}}
{{- if eq .role "master" }}
{{- range compact (list .root.Values.results.credentialsSecret .root.Values.metrics.credentialsSecret) }}
- secretRef:
    name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tokenswarm.ports" -}}
{{- $values := .root.Values }}
{{- $metrics := and $values.metrics.enabled (has .role (list "master" "worker")) }}
{{- if eq .role "master" }}
{{- if or (eq $values.mode "interactive") $values.workers.count }}
- name: tcp-swarm
  containerPort: 5557
{{- end }}
{{- if eq $values.mode "interactive" }}
- name: http-page
  containerPort: 8089
{{- end }}
{{- else if eq .role "simulator" }}
- name: http
  containerPort: 8000
{{- else if eq .role "gpu-exporter" }}
- name: metrics
  containerPort: 9400
{{- end }}
{{- if $metrics }}
- name: metrics
  containerPort: {{ $values.metrics.port }}
{{- end }}
{{- end }}

{{/* TCP only: a page that renders slowly is no reason to restart a run. Master has no liveness: it may be busy for long. */}}
{{- define "tokenswarm.probes" -}}
{{- $ports := dict "simulator" "http" "gpu-exporter" "metrics" }}
{{- if or (eq .root.Values.mode "interactive") .root.Values.workers.count }}{{ $_ := set $ports "master" "tcp-swarm" }}{{ end }}
{{- with get $ports .role }}
readinessProbe:
  tcpSocket:
    port: {{ . }}
  periodSeconds: 5
{{- if ne $.role "master" }}
livenessProbe:
  tcpSocket:
    port: {{ . }}
  initialDelaySeconds: 20
  periodSeconds: 20
  failureThreshold: 6
{{- end }}
{{- end }}
{{- end }}
