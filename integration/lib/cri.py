# SPDX-License-Identifier: Apache-2.0
"""CRI, as the kubelet speaks it, on Debian's grpc: a message is a dictionary, and the few messages used here are
described below by their fields' numbers in k8s.io/cri-api's runtime/v1/api.proto."""
import grpc

# A field: its number and kind. Kinds: int and bool and str; a message by its name; [kind] repeated; {} a map of strings.
MESSAGES = {
    "Version": {}, "Status": {}, "ListContainers": {}, "ListPodSandbox": {},
    "ImageStatus": {"image": (1, "Image")},
    "RunPodSandbox": {"config": (1, "Pod"), "runtime_handler": (2, str)},
    "PodSandboxStatus": {"pod_sandbox_id": (1, str)},
    "StopPodSandbox": {"pod_sandbox_id": (1, str)},
    "RemovePodSandbox": {"pod_sandbox_id": (1, str)},
    "CreateContainer": {"pod_sandbox_id": (1, str), "config": (2, "Container"), "sandbox_config": (3, "Pod")},
    "StartContainer": {"container_id": (1, str)},
    "StopContainer": {"container_id": (1, str), "timeout": (2, int)},
    "RemoveContainer": {"container_id": (1, str)},
    "ContainerStatus": {"container_id": (1, str)},
    "ContainerStats": {"container_id": (1, str)},
    "ReopenContainerLog": {"container_id": (1, str)},
    "UpdateContainerResources": {"container_id": (1, str), "linux": (2, "Resources")},
    "ExecSync": {"container_id": (1, str), "cmd": (2, [str]), "timeout": (3, int)},
    "Pod": {"metadata": (1, "PodMetadata"), "hostname": (2, str), "log_directory": (3, str), "port_mappings": (5, ["Port"]),
            "labels": (6, {}), "annotations": (7, {}), "linux": (8, "LinuxPod")},
    "PodMetadata": {"name": (1, str), "uid": (2, str), "namespace": (3, str)},
    "Port": {"protocol": (1, int), "container_port": (2, int), "host_port": (3, int)},
    "LinuxPod": {"cgroup_parent": (1, str), "security_context": (2, "PodSecurity"), "sysctls": (3, {})},
    "PodSecurity": {"namespace_options": (1, "Namespaces"), "privileged": (6, bool)},
    "Namespaces": {"network": (1, int), "pid": (2, int), "ipc": (3, int)},
    "Container": {"metadata": (1, "Metadata"), "image": (2, "Image"), "command": (3, [str]), "working_dir": (5, str),
                  "envs": (6, ["Variable"]), "mounts": (7, ["Mount"]), "devices": (8, ["Device"]), "log_path": (11, str),
                  "tty": (14, bool), "linux": (15, "Linux")},
    "Metadata": {"name": (1, str), "attempt": (2, int)},
    "Image": {"image": (1, str)},
    "Variable": {"key": (1, str), "value": (2, str)},
    "Mount": {"container_path": (1, str), "host_path": (2, str), "readonly": (3, bool), "propagation": (5, int)},
    "Device": {"container_path": (1, str), "host_path": (2, str), "permissions": (3, str)},
    "Linux": {"resources": (1, "Resources"), "security_context": (2, "Security")},
    "Resources": {"cpu_period": (1, int), "cpu_quota": (2, int), "cpu_shares": (3, int), "memory_limit_in_bytes": (4, int),
                  "oom_score_adj": (5, int), "cpuset_cpus": (6, str)},
    "Security": {"capabilities": (1, "Capabilities"), "privileged": (2, bool), "namespace_options": (3, "Namespaces"),
                 "run_as_user": (5, "Number"), "readonly_rootfs": (7, bool), "supplemental_groups": (8, [int]),
                 "no_new_privs": (11, bool), "run_as_group": (12, "Number"), "masked_paths": (13, [str]),
                 "readonly_paths": (14, [str]), "seccomp": (15, "Profile")},
    "Capabilities": {"add_capabilities": (1, [str]), "drop_capabilities": (2, [str])},
    "Number": {"value": (1, int)},
    "Profile": {"profile_type": (1, int), "localhost_ref": (2, str)},
}

# Answers: as above, but only the fields that a step looks at.
ANSWERS = {
    "Version": {"runtime_name": (2, str)},
    "Status": {"status": (1, "Conditions")},
    "Conditions": {"conditions": (1, ["Condition"])},
    "Condition": {"type": (1, str), "status": (2, bool), "message": (4, str)},
    "ImageStatus": {"image": (1, "KnownImage")},
    "KnownImage": {"id": (1, str)},
    "RunPodSandbox": {"pod_sandbox_id": (1, str)},
    "PodSandboxStatus": {"status": (1, "PodStatus")},
    "PodStatus": {"state": (3, int), "network": (5, "Network"), "runtime_handler": (9, str)},
    "Network": {"ip": (1, str)},
    "ListPodSandbox": {"items": (1, ["Listed"])},
    "Listed": {"id": (1, str)},
    "CreateContainer": {"container_id": (1, str)},
    "ListContainers": {"containers": (1, ["Listed"])},
    "ContainerStatus": {"status": (1, "Ended")},
    "Ended": {"state": (3, int), "exit_code": (7, int), "reason": (10, str), "message": (11, str)},
    "ExecSync": {"stdout": (1, str), "stderr": (2, str), "exit_code": (3, int)},
    "ContainerStats": {"stats": (1, "Stats")},
    "Stats": {"memory": (3, "Memory")},
    "Memory": {"working_set_bytes": (2, "Number")},
    "Number": {"value": (1, int)},
}


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def encode(message, values):
    out = b""
    for name, value in values.items():
        number, kind = MESSAGES[message][name]
        if isinstance(kind, dict):
            for item in value.items():
                pair = b"".join(field(i, str, text) for i, text in enumerate(item, 1))
                out += varint(number << 3 | 2) + varint(len(pair)) + pair
        elif isinstance(kind, list):
            out += b"".join(field(number, kind[0], item) for item in value)
        else:
            out += field(number, kind, value)
    return out


def field(number, kind, value):
    if kind in (int, bool):
        return varint(number << 3) + varint(int(value))
    data = value.encode() if kind is str else encode(kind, value)
    return varint(number << 3 | 2) + varint(len(data)) + data


def read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at


def empty(kind):
    return kind() if isinstance(kind, type) else [] if isinstance(kind, list) else {}


def decode(message, data):
    fields = {number: (name, kind) for name, (number, kind) in ANSWERS.get(message, {}).items()}
    out = {name: empty(kind) for name, kind in fields.values()}
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        else:  # nothing of fixed width is among the fields known here
            size, at = (read_varint(data, at) if key & 7 == 2 else ({1: 8, 5: 4}[key & 7], at))
            value, at = data[at:at + size], at + size
        if key >> 3 not in fields:
            continue
        name, kind = fields[key >> 3]
        one = kind[0] if isinstance(kind, list) else kind
        if one is int and value >> 63:
            value -= 1 << 64
        elif one is bool:
            value = bool(value)
        elif one is str:
            value = value.decode(errors="replace")
        elif isinstance(one, str):
            value = decode(one, value)
        if isinstance(kind, list):
            out[name].append(value)
        else:
            out[name] = value
    return out


class Failure(Exception):
    pass


class Cri:
    """Cri(socket).RunPodSandbox(config=..., ...) is one call: its answer, or Failure with the daemon's words."""

    def __init__(self, socket):
        self.channel = grpc.insecure_channel(f"unix://{socket}", [("grpc.default_authority", "localhost")])

    def __getattr__(self, method):
        service = "ImageService" if method.startswith("Image") else "RuntimeService"
        stub = self.channel.unary_unary(f"/runtime.v1.{service}/{method}", lambda values: encode(method, values),
                                        lambda data: decode(method, data))

        def call(**values):
            try:
                return stub(values, timeout=90)
            except grpc.RpcError as error:
                raise Failure(error.details()) from None
        return call
