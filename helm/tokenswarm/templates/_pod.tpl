{{/* The pod of a role, template of whatever keeps it: (dict "root" $ "role" "worker" "restart" "Never"). */}}
{{- define "tokenswarm.pod" -}}
metadata:
  labels: {{- include "tokenswarm.podLabels" . | trim | nindent 4 }}
  annotations: {{- include "tokenswarm.podAnnotations" . | trim | nindent 4 }}
spec: {{- include "tokenswarm.podSpec" . | trim | nindent 2 }}
{{- end }}

{{- define "tokenswarm.podLabels" -}}
{{- $own := include "tokenswarm.labels" . | fromYaml }}
{{- if not .root.Values.mesh }}{{ $_ := set $own "sidecar.istio.io/inject" "false" }}{{ end }}
{{- toYaml (mergeOverwrite (dict) .root.Values.podLabels $own) }}
{{- end }}

{{/* A mesh's proxy would add its latency to every chunk; where it must be, it keeps off the swarm's own port. */}}
{{- define "tokenswarm.podAnnotations" -}}
{{- $own := eq .role "gpu-exporter" | ternary dict (dict "cluster-autoscaler.kubernetes.io/safe-to-evict" "false" "karpenter.sh/do-not-disrupt" "true") }}
{{- if .root.Values.mesh }}
{{- $own = merge $own (dict
  "traffic.sidecar.istio.io/excludeInboundPorts" "5557" "traffic.sidecar.istio.io/excludeOutboundPorts" "5557"
  "proxy.istio.io/config" "holdApplicationUntilProxyStarts: true"
  "config.linkerd.io/skip-inbound-ports" "5557" "config.linkerd.io/skip-outbound-ports" "5557") }}
{{- else }}
{{- $_ := set $own "linkerd.io/inject" "disabled" }}
{{- end }}
{{- if and .root.Values.scenario.inline (has .role (list "master" "worker")) }}
{{- $_ := set $own "checksum/scenario" (sha256sum .root.Values.scenario.inline) }}
{{- end }}
{{- toYaml (mergeOverwrite (dict) $own .root.Values.podAnnotations) }}
{{- end }}

{{- define "tokenswarm.podSpec" -}}
{{- $values := .root.Values }}
{{- $swarm := or (eq .role "master") (eq .role "worker") }}
{{- $account := and (eq .role "master") $values.serviceAccount }}
automountServiceAccountToken: {{ not (not $account) }}
{{- with $account }}
serviceAccountName: {{ . }}
{{- end }}
enableServiceLinks: false
{{- with .restart }}
restartPolicy: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ $swarm | ternary $values.gracePeriod 10 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with $values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- if and $swarm $values.priorityClass }}
priorityClassName: {{ $values.priorityClass }}
{{- end }}
{{- if and (eq .role "gpu-exporter") $values.gpuExporter.runtimeClass }}
runtimeClassName: {{ $values.gpuExporter.runtimeClass }}
{{- end }}
{{- with $swarm | ternary $values.nodeSelector (eq .role "gpu-exporter" | ternary $values.gpuExporter.nodeSelector dict) }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or $values.tolerations (eq .role "gpu-exporter") }}
tolerations:
{{- with $values.tolerations }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if eq .role "gpu-exporter" }}
  - key: nvidia.com/gpu
    operator: Exists
{{- end }}
{{- end }}
{{- if and $swarm $values.target.podLabels }}
affinity:
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{- toYaml $values.target.podLabels | nindent 12 }}
        {{- with $values.target.namespaces }}
        namespaces: {{- toYaml . | nindent 10 }}
        {{- end }}
{{- end }}
{{- if eq .role "worker" }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "tokenswarm.selector" . | trim | nindent 8 }}
{{- end }}
containers:
  - {{ include "tokenswarm.container" . | trim | indent 4 | trim }}
volumes: {{- include "tokenswarm.volumes" . | trim | nindent 2 }}
{{- end }}

{{- define "tokenswarm.volumes" -}}
{{- $values := .root.Values }}
- name: tmp
  emptyDir:
    sizeLimit: 1Gi
- name: results
{{- if and (eq .role "master") (or $values.results.persistent $values.results.existingClaim) }}
  persistentVolumeClaim:
    claimName: {{ $values.results.existingClaim | default (printf "%s-results" (include "tokenswarm.name" .root)) }}
{{- else }}
  emptyDir:
    sizeLimit: {{ $values.results.size }}
{{- end }}
{{- if eq .role "test" }}
- name: scenario
  configMap:
    name: {{ include "tokenswarm.name" .root }}-test
{{- else if has .role (list "master" "worker") }}
{{- if or $values.scenario.inline $values.scenario.configMap }}
- name: scenario
  configMap:
    name: {{ $values.scenario.inline | empty | ternary $values.scenario.configMap (printf "%s-scenario" (include "tokenswarm.name" .root)) }}
{{- end }}
{{- range $index, $file := $values.secretFiles }}
- name: secret-{{ $index }}
  secret:
    secretName: {{ $file.secret }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- end }}
