"""What the chart promises of its pods, jobs and objects, in every file of ci/ and by default."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest

from scenarios.load import load_scenario
from tests.helm.chart import CHART, CI, ROOT, Document, containers, documents, helm, one, pods, rendered

NAMES = ["defaults", *(path.name.removesuffix("-values.yaml") for path in CI)]


@functools.cache
def release(name: str) -> tuple[Document, ...]:
    values = [] if name == "defaults" else ["--values", CHART / "ci" / f"{name}-values.yaml"]
    return tuple(documents(rendered(*values)))


def found(name: str) -> list[Document]:
    return list(release(name))


def environment(container: Document) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container.get("env", [])}


@pytest.mark.parametrize("name", NAMES)
def test_pods_are_restricted(name: str) -> None:
    """Pod Security `restricted`, a read-only root, no token, memory limit = request, no CPU limit unless pinned."""
    for role, pod in pods(found(name)).items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is (role == "master" and name == "scheduling")
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert {next(iter(set(volume) - {"name"})) for volume in spec["volumes"]} <= {
            "emptyDir", "configMap", "secret", "persistentVolumeClaim",
        }  # fmt: skip
        for container in containers(pod):
            confined, resources = container["securityContext"], container["resources"]
            assert confined["allowPrivilegeEscalation"] is False
            assert confined["readOnlyRootFilesystem"] is True
            assert confined["capabilities"] == {"drop": ["ALL"]}
            assert resources["limits"]["memory"] == resources["requests"]["memory"]
            pinned = name == "scheduling" and role != "gpu-exporter"
            assert resources["limits"].get("cpu") == (resources["requests"]["cpu"] if pinned else None)
            assert role == "gpu-exporter" or resources["requests"]["cpu"].isdigit()
            assert "nvidia.com/gpu" not in resources["requests"] | resources["limits"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_named_is_there(name: str) -> None:
    """Mounts have volumes, probes have ports, and each selector chooses the pods of its own role only."""
    made = pods(found(name))
    for pod in made.values():
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        for container in containers(pod):
            ports = {port["name"] for port in container.get("ports", [])}
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
            for probe in ("readinessProbe", "livenessProbe"):
                assert not container.get(probe) or container[probe]["tcpSocket"]["port"] in ports
    for document, selector in selectors(found(name)):
        chosen = [role for role, pod in made.items() if selector.items() <= pod["metadata"]["labels"].items()]
        labels = document["metadata"]["labels"]
        assert chosen == [labels["app.kubernetes.io/component"]], document["metadata"]["name"]


def selectors(found: list[Document]) -> Iterator[tuple[Document, dict[str, str]]]:
    """Each object that selects pods, with the labels that it asks for."""
    for document in found:
        spec = document.get("spec", {})
        chosen = spec.get("selector") or spec.get("podSelector") if isinstance(spec, dict) else None
        if chosen and document["kind"] not in ("ServiceMonitor",):
            yield document, chosen.get("matchLabels", chosen)


def test_a_run_is_never_repeated_and_its_logs_stay() -> None:
    """The master's job: no retry, a deadline, two days of logs; workers may be replaced."""
    master, worker = (one(found("defaults"), "Job", f"{role}-1")["spec"] for role in ("master", "worker"))

    assert master["backoffLimit"] == 0
    assert worker["backoffLimit"] == 6
    assert worker["parallelism"] == worker["completions"] == 2
    for job in (master, worker):
        assert job["template"]["spec"]["restartPolicy"] == "Never"
        assert job["ttlSecondsAfterFinished"] == 48 * 3600
        longest = load_scenario(ROOT / "scenarios" / "nightly.toml", []).limits.max_duration
        assert job["activeDeadlineSeconds"] > longest + job["template"]["spec"]["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.toml")), ids=lambda path: path.stem)
def test_the_grace_period_is_longer_than_a_request(path: Any) -> None:
    """SIGTERM waits for requests in flight, then the report is written: at least a minute stays for that."""
    master = pods(found("defaults"))["master"]

    assert master["spec"]["terminationGracePeriodSeconds"] >= load_scenario(path, []).request.timeout + 60


def test_the_master_waits_for_each_process_of_each_worker() -> None:
    """--workers = pods x processes, and whole CPUs for them; one pod that does it all asks for one CPU more."""
    four, single = pods(found("scheduling")), pods(found("one-pod"))
    worker = four["worker"]["spec"]["containers"][0]

    assert "--workers=16" in four["master"]["spec"]["containers"][0]["args"]
    assert "--processes=4" in worker["args"]
    assert worker["resources"]["requests"]["cpu"] == "4"
    assert set(single) == {"master", "simulator", "test"}
    assert single["master"]["spec"]["containers"][0]["args"][:4:3] == ["run", "--processes=3"]
    assert single["master"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "4"


def test_workers_find_a_master_that_is_not_ready() -> None:
    """A headless service with addresses from the first moment, and only workers may come in."""
    service = one(found("defaults"), "Service", "-master")["spec"]
    policy = one(found("defaults"), "NetworkPolicy", "-master")["spec"]
    (rule,) = policy["ingress"]

    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"] is True
    assert rule["ports"] == [{"port": 5557}]
    assert rule["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "worker"
    assert one(found("defaults"), "NetworkPolicy", "-worker")["spec"] == {
        "podSelector": one(found("defaults"), "NetworkPolicy", "-worker")["spec"]["podSelector"],
        "policyTypes": ["Ingress"],
    }


def test_nights_do_not_overlap() -> None:
    """One at a time, in a time zone, with a history; the report goes to the webhook of a secret, and to nobody else."""
    for role in ("master", "worker"):
        night = one(found("nightly"), "CronJob", role)["spec"]
        assert night["concurrencyPolicy"] == "Forbid"
        assert night["timeZone"] == "Europe/Berlin"
        assert night["successfulJobsHistoryLimit"] == night["failedJobsHistoryLimit"] == 7
    made = {role: environment(pod["spec"]["containers"][0]) for role, pod in pods(found("nightly")).items()}
    webhook = {"secretKeyRef": {"name": "chat", "key": "url"}}

    assert [role for role, known in made.items() if known.get("TOKENSWARM_WEBHOOK") == webhook] == ["master"]
    assert [role for role, known in made.items() if "TOKENSWARM_VERDICT_FILE" in known] == ["master"]


def test_pods_are_spread_and_kept() -> None:
    """Workers over nodes and off the model's; no eviction; a mesh stays out, or off the swarm's port."""
    spec = pods(found("scheduling"))["worker"]["spec"]
    (rule,) = spec["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    default = pods(found("defaults"))["worker"]

    assert rule["labelSelector"] == {"matchLabels": {"app": "vllm"}}
    assert rule["namespaces"] == ["models"]
    assert spec["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"
    assert one(found("scheduling"), "PodDisruptionBudget", "-worker")["spec"]["minAvailable"] == 4
    assert default["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    assert default["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
    meshed = pods(found("scheduling"))["worker"]["metadata"]
    assert meshed["annotations"]["traffic.sidecar.istio.io/excludeOutboundPorts"] == "5557"
    assert "sidecar.istio.io/inject" not in meshed["labels"]
    assert meshed["labels"]["team"] == "llm"


def test_the_gpu_exporter_takes_no_gpu() -> None:
    """It sees all GPUs by the runtime class; as a snippet it is one container that a model server's pod can have."""
    exporter = pods(found("monitoring"))["gpu-exporter"]["spec"]
    snippet = one(found("gpu-snippet"), "ConfigMap", "gpu-exporter")["data"]["container.yaml"]
    ((container,),) = documents(snippet)

    assert exporter["runtimeClassName"] == "nvidia"
    assert environment(exporter["containers"][0])["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert {"key": "nvidia.com/gpu", "operator": "Exists"} in exporter["tolerations"]
    assert container["args"][0] == "gpu-exporter"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_secrets_are_references() -> None:
    """The environment and the files of secrets are on master and workers only, and no document is a Secret."""
    made = pods(found("secrets"))
    for role in ("master", "worker"):
        container = made[role]["spec"]["containers"][0]
        assert environment(container)["LLM_API_KEY"] == {"secretKeyRef": {"name": "my-llm", "key": "token"}}
        assert {"name": "secret-0", "mountPath": "/etc/llm", "readOnly": True} in container["volumeMounts"]
    assert "LLM_API_KEY" not in environment(made["simulator"]["spec"]["containers"][0])
    assert not [document for name in NAMES for document in found(name) if document["kind"] == "Secret"]
    assert made["worker"]["spec"]["containers"][0]["image"] == "registry.example/tokenswarm:swarm"
    assert made["master"]["spec"]["containers"][0]["image"] == "registry.example/tokenswarm:full"


def test_the_notes_say_the_next_command() -> None:
    """Each mode's own, with the names that were rendered; what would be lost or is missing is noted."""
    notes = {
        mode: helm("install", "night", CHART, "--dry-run=client", "--set", f"mode={mode}").stdout.split("NOTES:")[1]
        for mode in ("job", "nightly", "interactive")
    }
    assert "logs --follow job/night-tokenswarm-master-1" in notes["job"]
    assert "test night" in notes["job"]
    assert "create job --from=cronjob/night-tokenswarm-worker" in notes["nightly"]
    assert "port-forward service/night-tokenswarm-page 8089" in notes["interactive"]
    for text in notes.values():
        assert "results end with the pod" in text


def test_every_template_is_seen() -> None:
    """The files of ci/ use every template: none is here that no test renders."""
    sources = {
        line.split("templates/")[1]
        for path in CI
        for line in rendered("--values", path).splitlines()
        if line.startswith("# Source:")
    }
    assert sources == {str(path.relative_to(CHART / "templates")) for path in (CHART / "templates").rglob("*.yaml")}
