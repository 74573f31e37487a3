{{/* What each role is told: the arguments of `tokenswarm`. */}}
{{- define "tokenswarm.scenario" -}}
{{- if or .Values.scenario.inline .Values.scenario.configMap }}/scenario/scenario.toml{{ else }}/app/{{ .Values.scenario.file }}{{ end }}
{{- end }}

{{/* --set of each override; the simulator is the baseline's URL unless the values say another. */}}
{{- define "tokenswarm.overrides" -}}
{{- $set := deepCopy .Values.scenario.set }}
{{- if and .Values.simulator.enabled (not (hasKey $set "arms.baseline.url")) }}
{{- $_ := set $set "arms.baseline.url" (printf "http://%s-simulator:8000" (include "tokenswarm.name" .)) }}
{{- end }}
{{- range $key, $value := $set }}
- --set
- {{ printf "%s=%s" $key (kindIs "string" $value | ternary $value (toJson $value)) | quote }}
{{- end }}
{{- end }}

{{- define "tokenswarm.args.master" -}}
{{- $swarm := or (eq .Values.mode "interactive") (gt (int .Values.workers.count) 0) }}
- {{ eq .Values.mode "nightly" | ternary "nightly" ($swarm | ternary "master" "run") }}
- {{ include "tokenswarm.scenario" . }}
{{- if eq .Values.mode "nightly" }}
- --runs=/results
- --keep={{ .Values.nightly.keep }}
{{- else if eq .Values.mode "job" }}
- --out=/results/$(POD_NAME)
{{- end }}
{{- if eq .Values.mode "interactive" }}
- --web-port=8089
{{- else if $swarm }}
- --workers={{ mul .Values.workers.count .Values.workers.processes }}
- --patience={{ .Values.workers.patience }}
{{- else }}
- --processes={{ .Values.workers.processes }}
{{- end }}
{{- if $swarm }}
- --host=*
{{- end }}
{{- with .Values.results.copyTo }}
- --copy-to={{ . }}
{{- end }}
{{- include "tokenswarm.overrides" . }}
{{- end }}

{{- define "tokenswarm.args.worker" -}}
- worker
- {{ include "tokenswarm.scenario" . }}
- --host={{ include "tokenswarm.name" . }}-master
- --processes={{ .Values.workers.processes }}
{{- include "tokenswarm.overrides" . }}
{{- end }}

{{- define "tokenswarm.args.simulator" -}}
- simulate
- --host=0.0.0.0
- --port=8000
- --profile={{ .Values.simulator.profile }}
{{- end }}

{{- define "tokenswarm.args.gpu-exporter" -}}
- gpu-exporter
- --host=0.0.0.0
- --port=9400
{{- end }}

{{- define "tokenswarm.args.test" -}}
- run
- /scenario/helm-test.toml
- --out=/results/$(POD_NAME)
- --set
- arms.baseline.url=http://{{ include "tokenswarm.name" . }}-simulator:8000
{{- end }}
