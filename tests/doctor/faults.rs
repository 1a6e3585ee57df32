//! The seeded faults: each line of the table is a test, with the check that finds it.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::patient::{Patient, free_port, with_input};
use crate::support::prerequisites::{Need, lacks};
use crate::support::program::finish;
use crate::support::sandbox;

/// A user who is nobody in particular.
const ALICE: u32 = 54_321;

macro_rules! faults {
    ($($name:ident: $check:literal, |$patient:pat_param| $cured:block)+) => {
        /// Every seeded fault, and the check that finds it.
        const FAULTS: &[(&str, &str)] = &[$((stringify!($name), $check)),+];
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let $patient = Patient::healthy($check).await;
                $cured
            }
        )+
    };
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A process of somebody else's.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A file system of its own in the place of the saved logins.
struct Disk(PathBuf);

impl Disk {
    fn under(logins: PathBuf) -> Self {
        let login = fs::read_dir(&logins).unwrap().map(|entry| entry.unwrap().path());
        let kept: Vec<(PathBuf, Vec<u8>)> = login.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        let place = logins.display().to_string();
        let options = ["-t", "tmpfs", "-o", "size=20m,mode=700", "tmpfs", &place];
        assert!(Command::new("mount").args(options).status().unwrap().success());
        for (path, text) in kept {
            fs::write(&path, text).unwrap();
            set_mode(&path, 0o600);
        }
        Self(logins)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A `systemctl` that says what stands in a file, and starts a unit that has failed.
fn service_manager(patient: &mut Patient, service: &str, socket: &str) {
    let bin = patient.file("bin");
    fs::create_dir_all(&bin).unwrap();
    let unit = |id: &str, text: &str| format!("Id={id}\n{}\n\n", text.replace(' ', "\n"));
    let text = unit("mcp-proxy.service", service) + &unit("mcp-proxy.socket", socket);
    fs::write(bin.join("units"), text).unwrap();
    let script = "#!/bin/sh\nhere=${0%/*}\ncase $1 in\nshow) cat \"$here/units\" ;;\n\
                  restart) sed -i 's/=failed/=active/' \"$here/units\" ;;\n\
                  enable) sed -i 's/=inactive/=active/; s/=disabled/=enabled/' \"$here/units\" ;;\n\
                  daemon-reload) sed -i 's/NeedDaemonReload=yes/NeedDaemonReload=no/' \"$here/units\" ;;\n\
                  *) exit 1 ;;\nesac\n";
    fs::write(bin.join("systemctl"), script).unwrap();
    set_mode(&bin.join("systemctl"), 0o755);
    let path = patient.environment.get("PATH").cloned().unwrap_or_default();
    patient.environment.insert("PATH".to_owned(), format!("{}:{path}", bin.display()));
}

faults! {
    a_slip_in_the_name_of_a_key: "configuration", |mut patient| {
        patient.conf_d("slip", "[listen]\nhots = \"127.0.0.1\"\n");
        patient.is_cured_of("fault").await;
        assert!(fs::read_to_string(patient.file("conf.d/slip.toml")).unwrap().contains("\nhost = \"127.0.0.1\"\n"));
    }

    a_variable_that_is_not_legal: "configuration", |mut patient| {
        patient.environment.insert("MCP_PROXY_LISTEN__PORT".to_owned(), "eighty".to_owned());
        patient.is_cured_of("fault").await;
    }

    a_change_that_waits_for_a_reload: "configuration-in-force", |mut patient| {
        patient.start();
        patient.conf_d("later", "[limits]\ntoken_wait = \"7s\"\n");
        patient.is_cured_of("fault").await;
    }

    a_change_that_waits_for_a_restart: "configuration-in-force", |mut patient| {
        patient.start();
        patient.conf_d("later", "[login]\nbrowser = false\n");
        patient.is_cured_of("fault").await;
    }

    a_unit_that_has_failed: "unit", |mut patient| {
        let failed = "LoadState=loaded ActiveState=failed Result=exit-code UnitFileState=enabled";
        service_manager(&mut patient, failed, "LoadState=not-found ActiveState=inactive");
        patient.is_cured_of("fault").await;
    }

    a_unit_that_is_not_started: "unit", |mut patient| {
        let off = "LoadState=loaded ActiveState=inactive UnitFileState=disabled";
        service_manager(&mut patient, off, off);
        patient.is_cured_of("fault").await;
    }

    a_unit_file_that_systemd_has_not_read: "unit-changes", |mut patient| {
        let changed = "LoadState=loaded ActiveState=active UnitFileState=enabled NeedDaemonReload=yes";
        service_manager(&mut patient, changed, "LoadState=not-found ActiveState=inactive");
        patient.is_cured_of("fault").await;
    }

    something_else_in_the_place_of_the_control_socket: "control-socket", |mut patient| {
        fs::write(patient.file("control.sock"), "").unwrap();
        patient.is_cured_of("fault").await;
    }

    a_control_socket_that_this_user_may_not_open: "control-socket", |mut patient| {
        if lacks("a_control_socket_that_this_user_may_not_open", Need::OtherUsers) {
            return;
        }
        patient.start();
        set_mode(patient.directory.path(), 0o755);
        let user = ["setpriv", "--clear-groups", "--reuid=54321", "--regid=54321"].map(str::to_owned);
        patient.before = user.to_vec();
        patient.environment.insert("HOME".to_owned(), "/nonexistent".to_owned());
        let report = patient.report();
        assert_eq!((report.worst("control-socket"), report.code), ("not-looked", 0), "{}", report.text());
        assert!(report.seen("control-socket").contains(&ALICE.to_string()), "{}", report.text());
        assert_eq!(report.remedies("control-socket")[0]["command"], "sudo mcp-proxy doctor");
        // Which is to run it as root.
        patient.before.clear();
        assert_eq!(patient.report().worst("control-socket"), "ok");
    }

    a_program_that_was_replaced_under_a_running_daemon: "version", |mut patient| {
        let (own, new) = (patient.file("program"), patient.file("program.new"));
        for copy in [&own, &new] {
            if fs::hard_link(&patient.program, copy).is_err() {
                fs::copy(&patient.program, copy).unwrap();
            }
        }
        patient.program = own.clone();
        patient.start();
        // As a package manager does it.
        fs::remove_file(&own).unwrap();
        fs::rename(new, own).unwrap();
        patient.is_cured_of("fault").await;
    }

    a_daemon_that_answers_nothing: "daemon", |mut patient| {
        patient.start();
        patient.daemon.as_ref().unwrap().signal("STOP");
        patient.is_cured_of("fault").await;
    }

    an_incident_that_nobody_has_ended: "conditions", |mut patient| {
        patient.start();
        assert_eq!(finish(patient.command(&["incident"])).code, 0);
        let report = patient.report();
        assert_eq!(report.worst("conditions"), "fault", "{}", report.text());
        // It has ended the login too.
        patient.perform(&report.remedies("conditions")[0], str::to_owned).await;
        let report = patient.report();
        patient.perform(&report.remedies("login")[0], str::to_owned).await;
        patient.is_content().await;
    }

    a_port_that_another_program_has: "port", |mut patient| {
        if lacks("a_port_that_another_program_has", Need::Python) {
            return;
        }
        let script = format!(
            "import socket, time\ns = socket.socket()\n\
             s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\ns.bind(('127.0.0.1', {}))\ns.listen()\nprint('up', flush=True)\n\
             time.sleep(1000)",
            patient.port
        );
        let mut other = Command::new("python3").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = [0; 2];
        std::io::Read::read_exact(other.stdout.as_mut().unwrap(), &mut line).unwrap();
        let other = Other(other);
        let report = patient.report();
        let holder = format!("(process {})", other.0.id());
        assert!(report.seen("port").contains(&holder), "{}", report.text());
        patient.is_cured_of("fault").await;
    }

    a_caller_who_is_not_let_in: "access", |mut patient| {
        if lacks("a_caller_who_is_not_let_in", Need::OtherUsers) {
            return;
        }
        patient.start();
        set_mode(patient.directory.path(), 0o755);
        let user = ["setpriv", "--clear-groups", "--reuid=54321", "--regid=54321"].map(str::to_owned);
        patient.before = user.to_vec();
        patient.environment.insert("HOME".to_owned(), "/nonexistent".to_owned());
        let report = patient.report();
        assert_eq!((report.worst("access"), report.code), ("note", 0), "{}", report.text());
        let remedy = report.remedies("access")[0].clone();
        // The reload is for whoever runs the daemon.
        assert!(remedy["then"].as_str().unwrap().contains("reload"), "{remedy}");
        let file = PathBuf::from(remedy["write"]["file"].as_str().unwrap());
        fs::write(&file, remedy["write"]["text"].as_str().unwrap()).unwrap();
        set_mode(&file, 0o644);
        patient.daemon.as_mut().unwrap().signal("HUP");
        patient.daemon.as_mut().unwrap().line("the configuration was read anew");
        patient.is_content().await;
    }

    a_proxy_that_is_not_there: "proxy-environment", |mut patient| {
        let nobody = format!("http://me:hunter2@127.0.0.1:{}", free_port());
        patient.environment.insert("HTTPS_PROXY".to_owned(), nobody);
        let said = patient.report().text();
        assert!(!said.contains("hunter2"), "{said}");
        patient.is_cured_of("fault").await;
    }

    a_proxy_that_is_no_address: "proxy-environment", |mut patient| {
        patient.environment.insert("ALL_PROXY".to_owned(), "http://proxy.example:port".to_owned());
        patient.is_cured_of("fault").await;
    }

    a_name_that_leads_nowhere: "dns", |mut patient| {
        patient.conf_d("host", "[alibaba.endpoints]\nims = \"https://nowhere.invalid\"\n");
        patient.is_cured_of("fault").await;
    }

    an_upstream_that_does_not_listen: "reach", |mut patient| {
        let url = format!("https://localhost:{}", free_port());
        patient.conf_d("host", &format!("[[upstream]]\nname = \"alibaba\"\nurl = \"{url}\"\n"));
        patient.is_cured_of("fault").await;
    }

    an_authority_that_is_not_trusted: "certificate", |mut patient| {
        let another = sandbox().await;
        patient.conf_d("ca", &format!("[network]\nextra_ca_file = {:?}\n", another.ca_file()));
        let right = patient.sandbox.ca_file().display().to_string();
        patient.is_cured_with("fault", |text| text.replace("/etc/mcp-proxy/ca.pem", &right)).await;
    }

    a_file_of_authorities_that_is_not_there: "certificate", |mut patient| {
        patient.conf_d("ca", "[network]\nextra_ca_file = \"/nonexistent/ca.pem\"\n");
        patient.is_cured_of("fault").await;
    }

    a_clock_that_is_wrong: "clock", |mut patient| {
        patient.environment.insert("LANG".to_owned(), "en_US.UTF-8".to_owned());
        patient.sandbox.cloud().set_clock_offset(-1200);
        assert!(patient.report().seen("clock").contains("ahead of"));
        patient.is_cured_of("fault").await;
    }

    an_access_key_that_was_deleted: "api-credentials", |mut patient| {
        let cloud = patient.sandbox.cloud();
        let (id, secret) = cloud.create_access_key();
        cloud.delete_access_key(&patient.sandbox.access_key().0);
        patient
            .is_cured_with("fault", |text| text.replacen("...", &id, 1).replacen("...", &secret, 1))
            .await;
    }

    a_permission_that_is_missing: "ram-permission", |mut patient| {
        patient.sandbox.cloud().set_permission(&patient.sandbox.access_key().0, "ram:ListApplications", false);
        patient.is_cured_of("fault").await;
    }

    an_application_that_does_not_exist: "oauth-application", |mut patient| {
        patient.conf_d("app", "[alibaba]\noauth_app_name = \"no-such-app\"\n");
        patient.is_cured_of("fault").await;
    }

    an_application_without_the_scope: "oauth-application", |mut patient| {
        let uri = format!("http://127.0.0.1:{}/callback", patient.port);
        let cloud = patient.sandbox.cloud();
        cloud.create_application("bare", "NativeApp", &[&uri], &["openid"]).unwrap();
        patient.conf_d("app", "[alibaba]\noauth_app_name = \"bare\"\n");
        let report = patient.report();
        assert_eq!(report.worst("oauth-application"), "fault", "{}", report.text());
        patient.perform(&report.remedies("oauth-application")[0], str::to_owned).await;
        assert_eq!(patient.report().worst("oauth-application"), "ok");
        // The login was for another application.
        let report = patient.report();
        patient.perform(&report.remedies("login")[0], str::to_owned).await;
        patient.is_content().await;
    }

    a_redirect_uri_that_the_application_does_not_have: "redirect-uri", |mut patient| {
        patient.conf_d("port", &format!("[listen]\nport = {}\n", free_port()));
        patient.is_cured_of("fault").await;
    }

    nobody_signed_in: "login", |mut patient| {
        fs::remove_file(patient.login_file()).unwrap();
        patient.is_cured_of("fault").await;
    }

    a_token_that_was_revoked: "upstream-call", |mut patient| {
        patient.sandbox.cloud().revoke_access_tokens();
        patient.is_cured_of("fault").await;
    }

    a_login_that_was_revoked_under_a_running_daemon: "login", |mut patient| {
        patient.start();
        patient.sandbox.cloud().revoke_grants();
        // A request finds out.
        let url = format!("http://127.0.0.1:{}/lab/echo", patient.port);
        let _ = crate::support::person::follow(&url).await;
        patient.is_cured_of("fault").await;
    }

    a_file_of_the_configuration_that_others_can_write: "configuration-files", |mut patient| {
        set_mode(&patient.file("conf.d/00-place.toml"), 0o666);
        patient.is_cured_of("fault").await;
    }

    a_directory_above_the_state_that_others_can_write: "state-directory", |mut patient| {
        set_mode(patient.directory.path(), 0o777);
        patient.is_cured_of("fault").await;
        assert_eq!(mode(patient.directory.path()), 0o755);
    }

    a_saved_login_that_others_can_read: "login-files", |mut patient| {
        let login = patient.login_file();
        set_mode(&login, 0o644);
        let _ = patient.report();
        assert_eq!(mode(&login), 0o644, "to look changes nothing");
        patient.is_cured_of("fault").await;
        assert_eq!(mode(&login), 0o600);
    }

    a_key_that_others_can_read: "key-file", |mut patient| {
        let key = patient.file("key");
        let made = Command::new(&patient.program).args(["key", "generate"]).arg(&key).status().unwrap();
        assert!(made.success());
        patient.conf_d("key", &format!("[login]\nkey_file = {key:?}\n"));
        set_mode(&key, 0o640);
        patient.is_cured_of("fault").await;
    }

    a_key_that_is_not_there: "key-file", |mut patient| {
        let key = patient.file("key");
        patient.conf_d("key", &format!("[login]\nkey_file = {key:?}\n"));
        patient.is_cured_of("fault").await;
    }

    credentials_that_others_can_read: "private-files", |mut patient| {
        let file = patient.file("aliyun.json");
        fs::write(&file, "{}").unwrap();
        set_mode(&file, 0o644);
        patient.is_cured_of("fault").await;
    }

    a_full_disk: "disk", |patient| {
        if lacks("a_full_disk", Need::Mount) {
            return;
        }
        let disk = Disk::under(patient.file("logins"));
        assert!(fs::write(disk.0.join("filler"), vec![0; 32 * 1024 * 1024]).is_err());
        let report = patient.report();
        assert_eq!((report.worst("disk"), report.code), ("fault", 74), "{}", report.text());
        let command = report.remedies("disk")[0]["command"].as_str().unwrap().to_owned();
        let named = patient.shell(&command).output().unwrap();
        let named = String::from_utf8_lossy(&named.stdout).into_owned();
        // The largest stands last, and before it only directories that hold it.
        let largest = named.lines().filter_map(|line| line.split('\t').nth(1)).find(|path| path.ends_with("filler"));
        fs::remove_file(largest.unwrap_or_else(|| panic!("{named}"))).unwrap();
        patient.is_content().await;
    }

    a_disk_that_is_mounted_for_reading_only: "disk", |mut patient| {
        if lacks("a_disk_that_is_mounted_for_reading_only", Need::Mount) {
            return;
        }
        let disk = Disk::under(patient.file("logins"));
        let place = disk.0.display().to_string();
        assert!(Command::new("mount").args(["-o", "remount,ro", &place]).status().unwrap().success());
        patient.is_cured_of("fault").await;
    }

    too_few_open_files: "open-files", |mut patient| {
        let limited = ["/bin/bash", "-c", "ulimit -n 256; exec \"$0\" \"$@\""].map(str::to_owned);
        patient.before = limited.to_vec();
        patient.is_cured_of("fault").await;
    }

    a_token_file_that_is_not_there: "token", |patient| {
        let token = patient.file("token");
        let url = patient.sandbox.cloud_url();
        patient.conf_d(
            "file",
            &format!(
                "[[upstream]]\nname = \"file\"\nmount = \"/mcp\"\nurl = {url:?}\nauth = \"token-file\"\n\
                 token_file = {token:?}\n"
            ),
        );
        let report = patient.report();
        assert_eq!(report.worst("token"), "fault", "{}", report.text());
        let command = report.remedies("token")[0]["command"].as_str().unwrap().to_owned();
        assert!(command.starts_with("install -m 600 /dev/stdin "), "{command}");
        // The token of the login is as good as any.
        let login = fs::read_to_string(patient.login_file()).unwrap();
        let login: serde_json::Value = serde_json::from_str(&login).unwrap();
        with_input(patient.shell(&command), &access_token(&login).expect("an access token"));
        assert_eq!(mode(&token), 0o600);
        patient.is_content().await;
    }
}

/// The access token in a saved login, wherever it stands.
fn access_token(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Object(fields) => fields.iter().find_map(|(name, value)| match value.as_str() {
            Some(text) if name == "access_token" => Some(text.to_owned()),
            _ => access_token(value),
        }),
        _ => None,
    }
}

#[test]
fn at_least_twenty_faults_of_most_checks_are_seeded() {
    let names: BTreeSet<&str> = FAULTS.iter().map(|(name, _)| *name).collect();
    let checks: BTreeSet<&str> = FAULTS.iter().map(|(_, check)| *check).collect();
    assert!(names.len() == FAULTS.len() && names.len() >= 20, "{} faults", names.len());
    assert!(checks.len() >= 20, "{checks:?}");
}
