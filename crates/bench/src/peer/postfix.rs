//! Postfix of Debian: in front of Dovecot, SMTP in and LMTP on; or as a relay, with its queue.

use super::{Server, free_port, wait_for};
use crate::error::{Error, fail};
use std::{fs, path::Path, process::Command};

/// Starts Postfix that hands everything to this Dovecot. CPU is that of both.
pub fn start(folder: &Path, dovecot: &Server) -> Result<Server, Error> {
    let settings = format!(
        "virtual_mailbox_domains = example.test\nvirtual_mailbox_maps = static:ok\n\
         virtual_transport = lmtp:inet:127.0.0.1:{}\n",
        dovecot.lmtp
    );
    let mut server = start_with(folder, &settings)?;
    server.name = "Postfix + Dovecot";
    server.roots.extend_from_slice(&dovecot.roots);
    (server.imaps, server.lmtp) = (dovecot.imaps, dovecot.lmtp);
    server.data.clone_from(&dovecot.data);
    Ok(server)
}

/// Starts Postfix that takes mail from this machine and gives all of it to one port.
pub fn start_relay(folder: &Path, sink: u16) -> Result<Server, Error> {
    start_with(folder, &format!("relayhost = [127.0.0.1]:{sink}\n"))
}

fn start_with(folder: &Path, settings: &str) -> Result<Server, Error> {
    let base = folder.join("postfix");
    let config = base.join("config");
    for part in ["config", "data", "queue"] {
        fs::create_dir_all(base.join(part))?;
    }
    super::dovecot::certificate(&config)?;
    let (smtp, submissions) = (free_port()?, free_port()?);
    let shown = base.display();
    let main = format!(
        "compatibility_level = 3.6\nqueue_directory = {shown}/queue\n\
        data_directory = {shown}/data\n\
         mail_owner = postfix\nsetgid_group = postdrop\ninet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\nmyhostname = mail.example.test\nmydestination =\n\
         mynetworks = 127.0.0.0/8\n\
         smtpd_tls_cert_file = {shown}/config/cert.pem\n\
         smtpd_tls_key_file = {shown}/config/key.pem\n\
         smtpd_client_connection_count_limit = 0\n\
         maillog_file = /var/log/palomar-bench-postfix.log\n\
         alias_maps =\nalias_database =\n{settings}"
    );
    fs::write(config.join("main.cf"), main)?;
    fs::write(config.join("master.cf"), master(smtp, submissions))?;
    own(&base)?;
    let postfix = |word: &str| Command::new("postfix").arg("-c").arg(&config).arg(word).output();
    let started = postfix("start")?;
    if !started.status.success() {
        return fail(format!("postfix: {}", String::from_utf8_lossy(&started.stderr)));
    }
    wait_for(smtp)?;
    let pid = fs::read_to_string(base.join("queue/pid/master.pid"))?;
    let roots = vec![pid.trim().parse()?];
    let data = base.join("queue");
    let stop = Box::new(move || {
        let _ = Command::new("postfix").arg("-c").arg(&config).arg("stop").output();
    });
    let (name, lmtp, imaps, pop3s) = ("Postfix", 0, 0, 0);
    Ok(Server { name, lmtp, smtp, submissions, imaps, pop3s, roots, data, stop })
}

fn own(base: &Path) -> Result<(), Error> {
    let steps: [&[&str]; 2] =
        [&["chown", "postfix", "data"], &["chown", "root", "queue", "config"]];
    for step in steps {
        if let [program, arguments @ ..] = step {
            Command::new(program).current_dir(base).args(arguments).status()?;
        }
    }
    let mut above = Some(base);
    while let Some(folder) = above {
        Command::new("chmod").arg("a+x").arg(folder).status()?;
        above = folder.parent().filter(|parent| parent.starts_with("/tmp/"));
    }
    Ok(())
}

fn master(smtp: u16, submissions: u16) -> String {
    format!(
        "{smtp} inet n - n - - smtpd\n\
         {submissions} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n\
         pickup unix n - n 60 1 pickup\n\
        cleanup unix n - n - 0 cleanup\n\
         qmgr unix n - n 300 1 qmgr\ntlsmgr unix - - n 1000? 1 tlsmgr\n\
         rewrite unix - - n - - trivial-rewrite\n\
         bounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\n\
         verify unix - - n - 1 verify\nflush unix n - n 1000? 0 flush\n\
         proxymap unix - - n - - proxymap\n\
         smtp unix - - n - - smtp\nrelay unix - - n - - smtp\nerror unix - - n - - error\n\
         retry unix - - n - - error\ndiscard unix - - n - - discard\nlocal unix - n n - - local\n\
         virtual unix - n n - - virtual\nlmtp unix - - n - - lmtp\nanvil unix - - n - 1 anvil\n\
         scache unix - - n - 1 scache\npostlog unix-dgram n - n - 1 postlogd\n"
    )
}
