{{- define "taximeter.name" -}}
{{- if eq .Release.Name "taximeter" -}}taximeter{{- else -}}{{ printf "%s-taximeter" .Release.Name | trunc 40 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{- define "taximeter.secret" -}}
{{- .Values.secret.name | default (include "taximeter.name" .) -}}
{{- end -}}

{{- define "taximeter.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "taximeter.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- /* Of one stage: (list $ "meter") */ -}}
{{- define "taximeter.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: taximeter
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- /* How many METERs or RATEs there may be: numbers go up to it. */ -}}
{{- define "taximeter.workers" -}}
{{- $root := index . 0 -}}{{- $stage := index . 1 -}}
{{- $replicas := (index $root.Values $stage).replicas | int -}}
{{- if and $root.Values.autoscaling.enabled (hasKey $root.Values.autoscaling $stage) -}}
{{- max $replicas ((index $root.Values.autoscaling $stage).most | int) -}}
{{- else -}}
{{- $replicas -}}
{{- end -}}
{{- end -}}

{{- define "taximeter.environment" -}}
- {name: TAXIMETER_KAFKA, value: {{ required "kafka.bootstrap must name the servers, host:port,host:port" .Values.kafka.bootstrap | quote }}}
- {name: TAXIMETER_KAFKA_SECURITY, value: {{ .Values.kafka.security | quote }}}
{{- if hasPrefix "sasl" .Values.kafka.security }}
- {name: TAXIMETER_KAFKA_MECHANISM, value: {{ .Values.kafka.mechanism | quote }}}
- {name: TAXIMETER_KAFKA_USER, value: {{ required "kafka.user must be set with sasl" .Values.kafka.user | quote }}}
- name: TAXIMETER_KAFKA_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "taximeter.secret" . }}, key: kafka-password}}
{{- end }}
- {name: TAXIMETER_CLICKHOUSE, value: {{ required "clickhouse.address must be http(s)://user@host:port/database" .Values.clickhouse.address | quote }}}
- name: TAXIMETER_CLICKHOUSE_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "taximeter.secret" . }}, key: clickhouse-password}}
- name: TAXIMETER_CONSOLE_SECRET
  valueFrom: {secretKeyRef: {name: {{ include "taximeter.secret" . }}, key: console-secret}}
{{- if .Values.tls.secret }}
- {name: TAXIMETER_KAFKA_CA, value: /tls/ca.crt}
- {name: TAXIMETER_CLICKHOUSE_CA, value: /tls/ca.crt}
{{- if .Values.tls.clientCertificate }}
- {name: TAXIMETER_KAFKA_CERTIFICATE, value: /tls/tls.crt}
- {name: TAXIMETER_KAFKA_KEY, value: /tls/tls.key}
{{- end }}
{{- end }}
{{- if .Values.schemaRegistry }}
- {name: TAXIMETER_SCHEMA_REGISTRY, value: {{ .Values.schemaRegistry | quote }}}
{{- end }}
- {name: TAXIMETER_PARTITIONS, value: {{ .Values.partitions | quote }}}
- {name: TAXIMETER_WINDOW_MINUTES, value: {{ .Values.windowMinutes | quote }}}
- {name: HOME, value: /data}
{{- range $name, $value := .Values.extraEnvironment }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{- define "taximeter.mounts" -}}
- {name: data, mountPath: /data}
- {name: tmp, mountPath: /tmp}
{{- if .Values.tls.secret }}
- {name: tls, mountPath: /tls, readOnly: true}
{{- end }}
{{- end -}}

{{- define "taximeter.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- /* The pod of one stage: (list $ "meter") */ -}}
{{- define "taximeter.pod" -}}
{{- $root := index . 0 -}}{{- $stage := index . 1 -}}{{- $own := index $root.Values $stage -}}
{{- $numbered := has $stage (list "meter" "rate") -}}
metadata:
  labels:
    {{- include "taximeter.selector" . | nindent 4 }}
    {{- include "taximeter.labels" $root | nindent 4 }}
  {{- with $root.Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "taximeter.name" $root }}
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 45
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext: {runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
  initContainers:
    # Topics and tables of this version are made by the release's job; until then the pods of the version before go on.
    - name: await
      image: {{ include "taximeter.image" $root }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [migrate, --await, "600"]
      env:
        {{- include "taximeter.environment" $root | nindent 8 }}
      securityContext:
        {{- include "taximeter.confined" $root | nindent 8 }}
      volumeMounts:
        {{- include "taximeter.mounts" $root | nindent 8 }}
  containers:
    - name: {{ $stage }}
      image: {{ include "taximeter.image" $root }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      {{- if $numbered }}
      args: [stage, {{ $stage }}, --number, $(TAXIMETER_POD_INDEX)]
      {{- else }}
      args: [stage, {{ $stage }}]
      {{- end }}
      env:
        {{- if $numbered }}
        - name: TAXIMETER_POD_INDEX
          valueFrom: {fieldRef: {fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']"}}
        - {name: TAXIMETER_WORKERS, value: {{ include "taximeter.workers" . | quote }}}
        {{- end }}
        {{- include "taximeter.environment" $root | nindent 8 }}
      ports:
        - {name: metrics, containerPort: 9464}
        {{- if eq $stage "console" }}
        - {name: http, containerPort: 8080}
        {{- end }}
      # A stage that learns its state from the log is alive, and one that waits for Kafka or ClickHouse is too: /healthz knows.
      startupProbe: {httpGet: {path: /healthz, port: metrics}, periodSeconds: 5, failureThreshold: 60}
      livenessProbe: {httpGet: {path: /healthz, port: metrics}, periodSeconds: 15, timeoutSeconds: 5, failureThreshold: 8}
      readinessProbe: {httpGet: {path: /healthz, port: metrics}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3}
      resources:
        {{- toYaml $own.resources | nindent 8 }}
      securityContext:
        {{- include "taximeter.confined" $root | nindent 8 }}
      volumeMounts:
        {{- include "taximeter.mounts" $root | nindent 8 }}
  volumes:
    - {name: tmp, emptyDir: {}}
    {{- if not $numbered }}
    - {name: data, emptyDir: {}}
    {{- end }}
    {{- if $root.Values.tls.secret }}
    - {name: tls, secret: {secretName: {{ $root.Values.tls.secret }}}}
    {{- end }}
  {{- with $root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
