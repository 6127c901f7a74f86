// SPDX-License-Identifier: Apache-2.0
#![allow(clippy::unwrap_used)]

use serde_json::{Value as Json, json};

use super::variant::Value;
use super::*;
use crate::host::cgroup::Hierarchy;

fn v2() -> Cgroups {
    let (controllers, mount) = (String::new(), "/cg".to_owned());
    let hierarchies = vec![Hierarchy { controllers, mount, own: "/x".to_owned() }];
    Cgroups { version: Version::V2, hierarchies, available: Vec::new() }
}

fn v1() -> Cgroups {
    let mounted = |controllers: &str| Hierarchy {
        controllers: controllers.to_owned(),
        mount: format!("/cg/{controllers}"),
        own: "/x".to_owned(),
    };
    let hierarchies =
        ["name=systemd", "memory", "cpu,cpuacct", "blkio", "pids", "devices", ""].map(mounted).into();
    Cgroups { version: Version::Hybrid, hierarchies, available: Vec::new() }
}

fn manager(bus: Bus) -> Manager {
    let cgroup = if bus == Bus::System { "" } else { "/user.slice/user-7.slice/user@7.service" };
    Manager { bus, cgroup: cgroup.to_owned() }
}

fn planned(bus: Bus, path: Option<&str>, annotations: Json, resources: Json) -> Result<CgroupPlan> {
    planned_on(&v2(), bus, path, annotations, resources)
}

fn planned_on(
    host: &Cgroups,
    bus: Bus,
    path: Option<&str>,
    annotations: Json,
    resources: Json,
) -> Result<CgroupPlan> {
    let config = json!({
        "ociVersion": "1.2.0",
        "root": { "path": "rootfs" },
        "annotations": annotations,
        "linux": { "cgroupsPath": path, "resources": resources },
    });
    let spec = serde_json::from_value(config).unwrap();
    plan(&spec, "c1", host, bus == Bus::User, Some(&manager(bus)))
}

/// The path below the mount, and the unit.
fn placed(bus: Bus, path: Option<&str>) -> std::result::Result<(String, String), String> {
    let plan = planned(bus, path, json!({}), json!({})).map_err(|e| e.to_string())?;
    Ok((plan.places[0].relative.clone(), plan.unit.unwrap().unit.name))
}

#[test]
fn names_and_places_are_runcs() {
    let user = "user.slice/user-7.slice/user@7.service";
    for (bus, path, place, unit) in [
        (Bus::System, None, "system.slice/tare-c1.scope", "tare-c1.scope"),
        (Bus::System, Some(""), "system.slice/tare-c1.scope", "tare-c1.scope"),
        (Bus::System, Some(":cri:id"), "system.slice/cri-id.scope", "cri-id.scope"),
        (Bus::System, Some("system.slice:docker:id"), "system.slice/docker-id.scope", "docker-id.scope"),
        (
            Bus::System,
            Some("kubepods-besteffort-pod1_2.slice:cri-containerd:id"),
            "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1_2.slice/cri-containerd-id.scope",
            "cri-containerd-id.scope",
        ),
        (Bus::System, Some("-:p:id"), "p-id.scope", "p-id.scope"),
        (Bus::System, Some("-.slice:p:id"), "p-id.scope", "p-id.scope"),
        (Bus::System, Some("a.slice::id"), "a.slice/-id.scope", "-id.scope"),
        (Bus::System, Some("a.slice:memory.x:id"), "a.slice/_memory.x-id.scope", "memory.x-id.scope"),
        (Bus::System, Some("a.slice:_x:id"), "a.slice/__x-id.scope", "_x-id.scope"),
        (Bus::System, Some("::b-c.slice"), "b.slice/b-c.slice", "b-c.slice"),
        (Bus::User, None, &format!("{user}/user.slice/tare-c1.scope"), "tare-c1.scope"),
        (
            Bus::User,
            Some("app.slice:libpod:id"),
            &format!("{user}/app.slice/libpod-id.scope"),
            "libpod-id.scope",
        ),
    ] {
        assert_eq!(placed(bus, path), Ok((place.to_owned(), unit.to_owned())), "{path:?}");
    }
}

#[test]
fn what_is_no_name_is_refused_with_its_place() {
    for path in [
        "/a/b",
        "a",
        "a.slice:b",
        "a.slice:b:c:d",
        "a.slice:b:",
        "a:b:c",
        ".slice:b:c",
        "a/b.slice:b:c",
        "a--b.slice:b:c",
        "-a.slice:b:c",
        "a-.slice:b:c",
        "../x.slice:b:c",
        "a.slice:b:c/../d",
        "a.slice:b:c d",
        "a.slice:b:c\n",
        "::a--b.slice",
    ] {
        let error = placed(Bus::System, Some(path)).unwrap_err();
        assert!(error.contains("/linux/cgroupsPath"), "{path}: {error}");
    }
    let long = format!("a.slice:b:{}", "x".repeat(255));
    assert!(placed(Bus::System, Some(&long)).unwrap_err().contains("255"));
}

#[test]
fn on_v1_a_unit_has_the_same_path_everywhere_and_properties_of_its_own() {
    let resources = json!({
        "memory": { "limit": 100, "reservation": 50, "swap": 300 },
        "cpu": { "shares": 2, "quota": 33333, "cpus": "0" },
        "blockIO": { "weight": 500 },
        "pids": { "limit": 7 },
    });
    // No cpuset is mounted, as any other would be missed.
    let error = planned_on(&v1(), Bus::System, None, json!({}), resources.clone()).unwrap_err().to_string();
    assert!(error.contains("cpuset") && error.contains("/linux/resources/cpu/cpus"), "{error}");
    let mut host = v1();
    host.hierarchies.push(Hierarchy {
        controllers: "cpuset".into(),
        mount: "/cg/cpuset".into(),
        own: "/".into(),
    });
    let plan = planned_on(&host, Bus::System, Some("a.slice:b:c"), json!({}), resources).unwrap();
    for (place, hierarchy) in plan.places.iter().zip(&host.hierarchies) {
        assert_eq!((&place.controllers, &place.mount), (&hierarchy.controllers, &hierarchy.mount));
        assert_eq!(place.relative, "a.slice/b-c.scope");
    }
    assert_eq!(plan.places.len(), host.hierarchies.len());
    let systemds: Vec<_> = plan.places.iter().filter(|place| is_systemds(&place.controllers)).collect();
    assert_eq!(systemds.iter().map(|place| &*place.controllers).collect::<Vec<_>>(), ["name=systemd", ""]);
    let limits: Vec<_> = plan.limits.properties.iter().filter(|p| !p.is_of_devices()).map(show).collect();
    assert_eq!(
        limits,
        [
            "MemoryLimit=100",
            "CPUShares=2",
            "CPUQuotaPerSecUSec=340000",
            "AllowedCPUs=[1] since 244",
            "BlockIOWeight=500",
            "TasksMax=7",
        ]
    );
    let unit = plan.unit.unwrap().properties;
    assert!(unit.iter().any(|property| property.name == "BlockIOAccounting"));
}

#[test]
fn a_users_systemd_on_v1_is_refused() {
    let error = planned_on(&v1(), Bus::User, None, json!({}), json!({})).unwrap_err().to_string();
    assert!(error.contains("cgroup v1"), "{error}");
}

fn show(property: &Property) -> String {
    let value = match &property.value {
        Value::Bool(value) => value.to_string(),
        Value::Uint64(u64::MAX) => "infinity".to_owned(),
        Value::Uint64(value) => value.to_string(),
        Value::Text(value) => value.clone(),
        Value::Texts(values) => values.join(" "),
        Value::Bytes(values) => format!("{values:x?}"),
        Value::Pairs(pairs) => {
            pairs.iter().map(|(device, access)| format!("{device} {access}")).collect::<Vec<_>>().join(", ")
        }
        other => format!("{other:?}"),
    };
    match property.since {
        0 => format!("{}={value}", property.name),
        since => format!("{}={value} since {since}", property.name),
    }
}

#[test]
fn a_scope_is_described() {
    let plan = planned(Bus::System, Some("a.slice:b:c"), json!({}), json!({})).unwrap().unit.unwrap();
    assert_eq!(plan.kind, Kind::Scope);
    assert_eq!(
        plan.properties.iter().map(show).collect::<Vec<_>>(),
        [
            "Description=container b-c.scope",
            "Slice=a.slice",
            "Delegate=true",
            "DefaultDependencies=false",
            "CollectMode=inactive-or-failed",
            "MemoryAccounting=true",
            "CPUAccounting=true",
            "IOAccounting=true",
            "TasksAccounting=true",
        ]
    );
    let slice = planned(Bus::System, Some("a.slice::c.slice"), json!({}), json!({})).unwrap().unit.unwrap();
    assert_eq!(slice.kind, Kind::Slice);
    assert_eq!(show(&slice.properties[1]), "Wants=a.slice");
}

/// The limits, without the devices.
fn limits_of(bus: Bus, resources: Json) -> Vec<String> {
    let properties = planned(bus, None, json!({}), resources).unwrap().limits.properties;
    properties.iter().filter(|p| !p.is_of_devices()).map(show).collect()
}

#[test]
fn resources_are_converted_as_runc_does() {
    let cases: &[(Json, &[&str])] = &[
        (
            json!({ "memory": { "limit": 100, "swap": 300, "reservation": 50 } }),
            &["MemoryMax=100", "MemoryLow=50", "MemorySwapMax=200"],
        ),
        (json!({ "memory": { "limit": -1 } }), &["MemoryMax=infinity", "MemorySwapMax=infinity"]),
        (json!({ "memory": { "limit": 100, "swap": 100 } }), &["MemoryMax=100", "MemorySwapMax=0"]),
        (json!({ "cpu": { "shares": 1024 } }), &["CPUWeight=100"]),
        (json!({ "cpu": { "shares": 2, "idle": 1 } }), &["CPUWeight=0 since 252"]),
        // 33.333 % of a CPU is rounded up to a whole percent.
        (json!({ "cpu": { "quota": 33333 } }), &["CPUQuotaPerSecUSec=340000"]),
        (
            json!({ "cpu": { "quota": 50000, "period": 200_000 } }),
            &["CPUQuotaPeriodUSec=200000 since 242", "CPUQuotaPerSecUSec=250000"],
        ),
        (json!({ "cpu": { "quota": -1 } }), &["CPUQuotaPerSecUSec=infinity"]),
        (
            json!({ "cpu": { "cpus": "0-2,9", "mems": "0" } }),
            &["AllowedCPUs=[7, 2] since 244", "AllowedMemoryNodes=[1] since 244"],
        ),
        (json!({ "pids": { "limit": 0 } }), &["TasksMax=1"]),
        (json!({ "pids": { "limit": -1 } }), &["TasksMax=infinity"]),
        (
            json!({ "pids": { "limit": 7 }, "unified": { "pids.max": "9", "hugetlb.2MB.max": "1" } }),
            &["TasksMax=9"],
        ),
        (
            json!({ "unified": {
                "cpu.idle": "1", "cpu.max": "max 50000", "cpu.weight": "7", "cpuset.cpus": "1", "cpuset.mems": "x",
                "memory.high": "5", "memory.low": "1", "memory.max": "max", "memory.min": "2",
                "memory.oom.group": "1", "memory.swap.max": "0",
            } }),
            &[
                "CPUQuotaPeriodUSec=50000 since 242",
                "CPUQuotaPerSecUSec=infinity",
                "CPUWeight=7",
                "AllowedCPUs=[2] since 244",
                "MemoryHigh=5",
                "MemoryLow=1",
                "MemoryMax=infinity",
                "MemoryMin=2",
                "OOMPolicy=kill since 253",
                "MemorySwapMax=0",
            ],
        ),
    ];
    for (resources, expected) in cases {
        assert_eq!(limits_of(Bus::User, resources.clone()), *expected, "{resources}");
    }
}

#[test]
fn devices_are_listed_for_root_only() {
    let rules = json!({ "devices": [
        { "allow": false, "access": "rwm" },
        { "allow": true, "type": "b", "major": 8, "minor": 0, "access": "r" },
        { "allow": true, "type": "c", "major": 10, "access": "rw" },
        { "allow": true, "type": "c", "minor": 3, "access": "r" },
    ] });
    let properties = |bus| planned(bus, None, json!({}), rules.clone()).unwrap().limits.properties;
    let shown: Vec<_> = properties(Bus::System).iter().map(show).collect();
    assert_eq!(shown[..2], ["DevicePolicy=strict", "DeviceAllow="]);
    let allowed: Vec<_> = shown[2].strip_prefix("DeviceAllow=").unwrap().split(", ").collect();
    for device in
        ["/dev/block/8:0 r", "char-10 rw", "char-136 rwm", "/dev/char/1:3 rwm", "block-* m", "char-* m"]
    {
        assert!(allowed.contains(&device), "{device} in {allowed:?}");
    }
    // For one minor number of every major one there are no words: systemd lets more through than we do.
    assert!(allowed.contains(&"char-* r"), "{allowed:?}");
    assert_eq!(properties(Bus::User), []);
    let all = json!({ "devices": [{ "allow": true, "access": "rwm" }] });
    let all = planned(Bus::System, None, json!({}), all).unwrap().limits.properties;
    assert_eq!(all.iter().map(show).collect::<Vec<_>>(), ["DevicePolicy=auto", "DeviceAllow="]);
}

#[test]
fn annotations_say_how_a_unit_ends() {
    let property = |name: &str, value: &str| {
        let annotations = json!({ (format!("org.systemd.property.{name}")): value, "other": "x" });
        let plan = planned(Bus::System, None, annotations, json!({})).map_err(|e| e.to_string())?;
        Ok::<_, String>(plan.unit.unwrap().properties.last().map(show).unwrap())
    };
    assert_eq!(property("TimeoutStopUSec", "uint64 5").unwrap(), "TimeoutStopUSec=5");
    assert_eq!(property("TimeoutStopSec", "1.5").unwrap(), "TimeoutStopUSec=1500000");
    assert_eq!(property("CollectMode", "'inactive'").unwrap(), "CollectMode=inactive");
    assert_eq!(property("After", "['a.service', 'b.service']").unwrap(), "After=a.service b.service");
    for (name, value) in [
        ("Slice", "'a.slice'"),
        ("PIDs", "[1]"),
        ("Delegate", "false"),
        ("DevicePolicy", "'auto'"),
        ("ExecStartPre", "'x'"),
        ("User", "'root'"),
        ("OnFailure", "['a.service']"),
        ("Conflicts", "['a.service']"),
        ("MemoryMax", "uint64 1"),
        ("", "true"),
        ("TimeoutStopSec", "'x'"),
        ("KillMode", "none"),
    ] {
        let error = property(name, value).unwrap_err();
        assert!(error.contains(&format!("/annotations/org.systemd.property.{name}")), "{error}");
    }
}
