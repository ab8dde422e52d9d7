//! Dovecot of Debian: LMTP, IMAP and POP3, sdbox, fsync as shipped.

use super::{PASSWORD, Server, free_port, wait_for};
use crate::error::{Error, fail};
use std::{fs, path::Path, process::Command};

/// Starts it on a folder; a second start finds the mail as it was. `fsync` false is for filling a
/// mailbox before it is measured.
pub fn start(folder: &Path, fsync: bool) -> Result<Server, Error> {
    let base = folder.join("dovecot");
    let data = base.join("mail");
    fs::create_dir_all(&data)?;
    certificate(&base)?;
    let (imaps, pop3s, lmtp) = (free_port()?, free_port()?, free_port()?);
    let config = base.join("dovecot.conf");
    fs::write(&config, text(&base, (imaps, pop3s, lmtp), fsync))?;
    let own = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(&data).status()?;
    if !own.success() {
        return fail("chown of Dovecot's mail folder");
    }
    let log = fs::File::create(base.join("stderr.log"))?;
    let mut child =
        Command::new("/usr/sbin/dovecot").arg("-F").arg("-c").arg(&config).stderr(log).spawn()?;
    let pid = child.id();
    let stop = Box::new(move || {
        let _ = Command::new("kill").arg(pid.to_string()).status();
        let _ = child.wait();
    });
    let roots = vec![pid];
    let (name, smtp, submissions) = ("Dovecot", 0, 0);
    let server = Server { name, lmtp, smtp, submissions, imaps, pop3s, roots, data, stop };
    wait_for(lmtp)?;
    wait_for(imaps)?;
    wait_for(pop3s)?;
    Ok(server)
}

/// `key.pem` and `cert.pem`, where there are none yet.
pub fn certificate(base: &Path) -> Result<(), Error> {
    if base.join("key.pem").exists() {
        return Ok(());
    }
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    openssl.args(["-nodes", "-days", "30", "-subj", "/CN=localhost", "-keyout"]);
    openssl.arg(base.join("key.pem")).arg("-out").arg(base.join("cert.pem"));
    let made = openssl.stderr(std::process::Stdio::null()).status()?;
    if made.success() { Ok(()) } else { fail("openssl made no certificate") }
}

fn text(base: &Path, (imaps, pop3s, lmtp): (u16, u16, u16), fsync: bool) -> String {
    let base = base.display();
    let fsync = if fsync { "" } else { "mail_fsync = never\n" };
    format!(
        "base_dir = {base}/run\nlog_path = {base}/log\nlisten = 127.0.0.1\n\
         protocols = imap pop3 lmtp\nssl = required\nssl_cert = <{base}/cert.pem\n\
         ssl_key = <{base}/key.pem\nauth_mechanisms = plain login\n{fsync}\
         first_valid_uid = 1\nmail_max_userip_connections = 1000\n\
         passdb {{\n  driver = static\n  args = password={PASSWORD}\n}}\n\
         userdb {{\n  driver = static\n  \
         args = uid=nobody gid=nogroup home={base}/mail/%u allow_all_users=yes\n}}\n\
         mail_location = sdbox:~/dbox\n\
         namespace inbox {{\n  inbox = yes\n  separator = /\n}}\n\
         service imap-login {{\n  inet_listener imap {{\n    port = 0\n  }}\n  \
         inet_listener imaps {{\n    port = {imaps}\n    ssl = yes\n  }}\n\
           process_limit = 3000\n}}\n\
         service imap {{\n  process_limit = 3000\n}}\n\
         service pop3-login {{\n  inet_listener pop3 {{\n    port = 0\n  }}\n  \
         inet_listener pop3s {{\n    port = {pop3s}\n    ssl = yes\n  }}\n}}\n\
         service anvil {{\n  client_limit = 10000\n}}\n\
         service auth {{\n  client_limit = 10000\n}}\n\
         service lmtp {{\n  inet_listener lmtp {{\n    address = 127.0.0.1\n\
             port = {lmtp}\n  }}\n}}\n\
         service stats {{\n  unix_listener stats-writer {{\n    mode = 0666\n  }}\n}}\n"
    )
}
