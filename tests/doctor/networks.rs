//! Containers, in network namespaces of their own: a host with a bridge as Docker makes it, and a container behind it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::patient::{Report, free_port};
use crate::support::prerequisites::{Need, lacks};
use crate::support::program::{Program, bare, finish};

struct Networks {
    host: String,
    container: String,
    /// The first three numbers of the addresses: other runs of this test have others.
    net: String,
    /// What runs in the container.
    inside: Option<Child>,
}

fn ip(args: &[&str]) {
    let output = Command::new("ip").args(args).output().unwrap();
    assert!(output.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Networks {
    fn make() -> Self {
        let id = std::process::id();
        let net = format!("10.{}.{}", 20 + id % 200, id / 200 % 250);
        let mut made = Self { host: format!("dh{id}"), container: format!("dc{id}"), net: net.clone(), inside: None };
        let (host, container) = (made.host.clone(), made.container.clone());
        for name in [&host, &container] {
            ip(&["netns", "add", name]);
        }
        for line in [
            "link set lo up",
            "link add docker0 type bridge",
            &format!("link add v0 type veth peer name eth0 netns {container}"),
            "link set v0 master docker0 up",
            &format!("address add {net}.1/24 dev docker0"),
            "link set docker0 up",
        ] {
            ip(&["-n", &host].into_iter().chain(line.split(' ')).collect::<Vec<_>>());
        }
        for line in
            [&format!("address add {net}.2/24 dev eth0"), "link set eth0 up", &format!("route add default via {net}.1")]
        {
            ip(&["-n", &container].into_iter().chain(line.split(' ')).collect::<Vec<_>>());
        }
        let mut sleeper = Command::new("ip");
        sleeper.args(["netns", "exec", &container, "sleep", "1000"]).stdin(Stdio::null());
        made.inside = Some(sleeper.spawn().unwrap());
        made
    }

    fn on_host(&self, args: &[&str], directory: &Path) -> Command {
        let own = bare(args);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.host]).arg(own.get_program()).args(own.get_args());
        command.arg("--config").arg(directory.join("main.toml")).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    fn report(&self, directory: &Path) -> Report {
        Report::of(&finish(self.on_host(&["doctor", "--json"], directory)))
    }

    fn daemon(&self, directory: &Path) -> Program {
        let mut daemon = Program::start(self.on_host(&["serve"], directory));
        daemon.line("Listen: ");
        daemon
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        if let Some(inside) = &mut self.inside {
            let _ = inside.kill();
            let _ = inside.wait();
        }
        for name in [&self.container, &self.host] {
            let _ = Command::new("ip").args(["netns", "delete", name]).output();
        }
    }
}

/// Writes what a remedy says.
fn write(remedy: &serde_json::Value) {
    let file = Path::new(remedy["write"]["file"].as_str().unwrap());
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, remedy["write"]["text"].as_str().unwrap()).unwrap();
}

#[test]
fn a_listener_on_loopback_alone_beside_a_bridge_for_containers() {
    if lacks("a_listener_on_loopback_alone_beside_a_bridge_for_containers", Need::NetworkNamespaces) {
        return;
    }
    let (networks, directory) = (Networks::make(), tempfile::tempdir().unwrap());
    let (here, port) = (directory.path(), free_port());
    fs::write(here.join("token"), "a-token").unwrap();
    let text = format!(
        "state_dir = \"{0}/state\"\n[listen]\nport = {port}\n[control]\nsocket = \"{0}/control.sock\"\n[[upstream]]\n\
         name = \"test\"\nmount = \"/\"\nurl = \"http://127.0.0.1:9\"\nauth = \"token-file\"\ntoken_file = \"{0}/token\"\n",
        here.display()
    );
    fs::write(here.join("main.toml"), text).unwrap();
    let mut daemon = networks.daemon(here);
    let report = networks.report(here);
    assert_eq!(report.worst("containers"), "note", "{}", report.text());
    assert!(report.seen("containers").contains(&format!("docker0 ({}.1)", networks.net)), "{}", report.text());
    let remedy = report.remedies("containers")[0].clone();
    assert!(remedy["then"].as_str().unwrap().contains("serve"), "{remedy}");
    write(&remedy);
    daemon.signal("TERM");
    daemon.wait();
    let mut daemon = networks.daemon(here);
    let report = networks.report(here);
    assert_eq!(report.worst("containers"), "ok", "{}", report.text());
    assert_eq!(report.worst("container-reach"), "ok", "{}", report.text());
    assert!(report.seen("container-reach").contains("is let in"), "{}", report.text());

    // One that is not let in.
    let shut = here.join("conf.d/access.toml");
    fs::write(&shut, "[access]\ncontainers = false\n").unwrap();
    daemon.signal("HUP");
    daemon.line("the configuration was read anew");
    let report = networks.report(here);
    assert_eq!(report.worst("container-reach"), "note", "{}", report.text());
    let remedy = report.remedies("container-reach")[0].clone();
    write(&remedy);
    let then = remedy["then"].as_str().unwrap();
    assert!(Command::new("/bin/sh").args(["-c", then]).status().unwrap().success(), "{then}");
    daemon.line("the configuration was read anew");
    let report = networks.report(here);
    assert_eq!(report.worst("container-reach"), "ok", "{}", report.text());

    // One whose way is barred.
    let bridge = format!("{}.1/32", networks.net);
    ip(&["-n", &networks.container, "route", "add", "blackhole", &bridge]);
    let report = networks.report(here);
    assert_eq!(report.worst("container-reach"), "fault", "{}", report.text());
    let command = report.remedies("container-reach")[0]["command"].as_str().unwrap().to_owned();
    assert_eq!(command, format!("iptables -I INPUT -i docker0 -p tcp --dport {port} -j ACCEPT"));
    ip(&["-n", &networks.container, "route", "delete", "blackhole", &bridge]);
    assert_eq!(networks.report(here).worst("container-reach"), "ok");
}
