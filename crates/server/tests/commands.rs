//! The command line, beside a running server and without one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod palomar;

use palomar::{Server, json, on, palomar};
use serde_json::json;

#[test]
fn the_settings_are_documented() {
    let output = palomar(&["config", "--docs"]).output().unwrap();
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let text = std::fs::read_to_string(docs).unwrap();
    assert!(text.contains(&*String::from_utf8_lossy(&output.stdout)));
}

#[test]
fn mistakes_are_told_apart_by_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let code = |words: &[&str]| palomar(words).output().unwrap().status.code();
    let empty = folder.path().to_str().unwrap();
    assert_eq!(code(&["frobnicate"]), Some(2));
    assert_eq!(code(&["account", "add", "ana@example.test"]), Some(2));
    assert_eq!(code(&["domain", "list", "--data", empty]), Some(3));
    assert_eq!(code(&["dev", "--port-offset", "65000", "--data", empty]), Some(1));
    let file = folder.path().join("palomar.toml");
    std::fs::write(&file, "hostname = 'x'").unwrap();
    let output = palomar(&["serve", "--config", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no setting hostname"));
}

#[test]
fn a_second_start_finds_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let told = server.told.clone();
    assert_eq!(told["host"], "127.0.0.1");
    assert_eq!(told["accounts"][0]["address"], "ana@example.test");
    assert_eq!(told["accounts"][1]["address"], "bruno@example.test");
    let before = json(folder.path(), &["account", "mailboxes", "ana@example.test"], "");
    assert!(before["mailboxes"].as_array().unwrap().len() >= 6);
    let server = server.kill_and_start();
    assert_eq!(server.told, told);
    let after = json(folder.path(), &["account", "mailboxes", "ana@example.test"], "");
    assert_eq!(before, after);
    assert_eq!(server.stop(), Some(0));
}

/// What administration does, in whatever mode.
fn administer(data: &std::path::Path) {
    json(data, &["domain", "add", "two.test"], "");
    assert_eq!(json(data, &["domain", "list"], "")["domains"], json!(["example.test", "two.test"]));
    json(data, &["account", "add", "carla@two.test", "--password-stdin"], "a long password\n");
    let refused = |words: &[&str], input: &str| on(data, words, input).status.code() == Some(3);
    let again = ["account", "add", "carla@two.test", "--password-stdin"];
    assert!(refused(&again, "a long password\n"));
    assert!(refused(&["account", "add", "d@two.test", "--password-stdin"], "short\n"));
    assert!(refused(&["account", "add", "d@elsewhere.test", "--password-stdin"], "long enough\n"));
    assert!(refused(&["account", "show", "nobody@two.test"], ""));
    assert!(refused(&["domain", "remove", "two.test"], ""));
    json(data, &["alias", "set", "info@two.test", "carla@two.test", "ana@example.test"], "");
    let aliases = json(data, &["alias", "list"], "");
    assert_eq!(aliases["aliases"][0]["targets"], json!(["carla@two.test", "ana@example.test"]));
    json(data, &["quota", "set", "carla@two.test", "--octets", "5M", "--messages", "7"], "");
    let shown = json(data, &["account", "show", "carla@two.test"], "");
    assert_eq!(shown["account"]["octets_max"], 5 << 20);
    assert_eq!(shown["account"]["messages_max"], 7);
    assert_eq!(shown["account"]["aliases"], json!(["info@two.test"]));
    let made = json(data, &["password", "app", "add", "carla@two.test", "phone"], "");
    assert!(made["app_password"]["password"].as_str().unwrap().len() >= 16);
    let listed = json(data, &["password", "app", "list", "carla@two.test"], "");
    assert_eq!(listed["app_passwords"][0]["name"], "phone");
    json(data, &["password", "app", "remove", "carla@two.test", "phone"], "");
    json(data, &["password", "set", "carla@two.test", "--password-stdin"], "another password");
    json(data, &["account", "disable", "carla@two.test"], "");
    let accounts = json(data, &["account", "list"], "");
    let carla = accounts["accounts"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(carla["disabled"], true);
    json(data, &["account", "enable", "carla@two.test"], "");
    json(data, &["alias", "remove", "info@two.test"], "");
    assert_eq!(on(data, &["account", "remove", "carla@two.test"], "").status.code(), Some(2));
    json(data, &["account", "remove", "carla@two.test", "--yes"], "");
    json(data, &["domain", "remove", "two.test"], "");
    assert_eq!(json(data, &["domain", "list"], "")["domains"], json!(["example.test"]));
}

#[test]
fn administration_beside_a_server_and_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    assert_eq!(json(folder.path(), &["status"], "")["status"]["connections"], 0);
    administer(folder.path());
    assert_eq!(server.stop(), Some(0));
    administer(folder.path());
}

fn count(data: &std::path::Path, mailbox: &str) -> u64 {
    let told = json(data, &["account", "mailboxes", "bruno@example.test"], "");
    let rows = told["mailboxes"].as_array().unwrap().clone();
    let row = rows.iter().find(|row| row["name"] == mailbox);
    row.map_or(0, |row| row["messages"].as_u64().unwrap())
}

#[test]
fn what_is_exported_is_imported_and_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    let ana = "ana@example.test";
    let bruno = "bruno@example.test";
    for (format, top) in [("maildir", "From-maildir"), ("mbox", "From-mbox")] {
        let out = folder.path().join(format);
        let out = out.to_str().unwrap();
        let exported = json(&data, &["export", ana, out, "--format", format], "");
        let messages = exported["messages"].as_u64().unwrap();
        assert!(messages >= 5);
        let again = json(&data, &["export", ana, out, "--format", format], "");
        assert_eq!(again["written"], if format == "maildir" { 0 } else { messages });
        let drafts = count(&data, "Drafts");
        let import = ["import", bruno, out, "--mailbox", top];
        let imported = json(&data, &import, "");
        // The draft is the same in both formats, and in the same mailbox.
        let known = u64::from(format == "mbox");
        assert_eq!(imported, json!({"imported": messages - known, "known": known, "failed": 0}));
        assert_eq!(count(&data, top), messages - 1);
        assert_eq!(count(&data, "Drafts"), drafts + 1 - known);
        let imported = json(&data, &import, "");
        assert_eq!(imported, json!({"imported": 0, "known": messages, "failed": 0}));
    }
    assert_eq!(server.stop(), Some(0));
    let out = folder.path().join("maildir");
    let import = ["import", bruno, out.to_str().unwrap(), "--mailbox", "From-maildir"];
    assert_eq!(json(&data, &import, "")["imported"], 0);
}

#[test]
fn a_killed_import_goes_on_and_imports_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert_eq!(Server::start(&data).stop(), Some(0));
    let path = folder.path().join("many.mbox");
    let message = |n: u32| {
        let text = "words ".repeat(200);
        format!("From a@b Sat Jan  3 01:05:34 1996\nSubject: {n}\n\n{n} {text}\n\n")
    };
    std::fs::write(&path, (0..1000).map(message).collect::<String>()).unwrap();
    let journals = data.join("imports");
    let mut partial = false;
    for batches in [1, 3, 6] {
        let mailbox = format!("Killed-{batches}");
        let words = ["import", "bruno@example.test", path.to_str().unwrap(), "--mailbox", &mailbox];
        let mut child = palomar(&words).arg("--data").arg(&data).spawn().unwrap();
        let begun = || {
            let text = std::fs::read_dir(&journals).into_iter().flatten().flatten();
            let text = text.map(|entry| std::fs::read_to_string(entry.path()).unwrap());
            text.collect::<String>().matches("\nb ").count()
        };
        let before = begun();
        while begun() < before + batches && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();
        let there = count(&data, &mailbox);
        let told = json(&data, &words, "");
        assert_eq!(told["imported"].as_u64().unwrap() + there, 1000, "{told}");
        assert_eq!(told["known"].as_u64().unwrap(), there, "{told}");
        assert_eq!(count(&data, &mailbox), 1000);
        partial |= (1..1000).contains(&there);
    }
    assert!(partial, "it was never killed in the middle");
}

#[test]
fn a_store_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let report = json(folder.path(), &["check"], "");
    assert_eq!(report["checked"]["faults"], 0);
    assert!(report["checked"]["messages"].as_u64().unwrap() >= 10);
    let rebuild = ["check", "--rebuild"];
    assert_eq!(on(folder.path(), &rebuild, "").status.code(), Some(3));
    assert_eq!(server.stop(), Some(0));
    for words in [&["check"][..], &rebuild, &["check"]] {
        let report = json(folder.path(), words, "");
        assert_eq!(report["checked"]["faults"], 0);
        assert!(report["checked"]["store"]["entries"].as_u64().unwrap() > 10);
        assert_eq!(report["checked"]["store"]["rebuilt"], words.len() > 1);
    }
}

#[test]
fn search_indexes_are_made_anew_beside_a_server_and_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let one = json(folder.path(), &["reindex", "ana@example.test"], "");
    let (messages, indexed) = (&one["indexed"]["messages"], &one["indexed"]["indexed"]);
    assert_eq!(messages, indexed);
    assert!(messages.as_u64().unwrap() > 0);
    assert_eq!(server.stop(), Some(0));
    let all = json(folder.path(), &["reindex", "--all"], "");
    assert_eq!(all["indexed"]["messages"], all["indexed"]["indexed"]);
    assert!(all["indexed"]["messages"].as_u64() >= messages.as_u64());
    assert_eq!(json(folder.path(), &["check"], "")["checked"]["faults"], 0);
    let code = |words: &[&str]| on(folder.path(), words, "").status.code();
    assert_eq!(code(&["reindex", "nobody@example.test"]), Some(3));
    assert_eq!(code(&["reindex"]), Some(2));
    assert_eq!(code(&["reindex", "ana@example.test", "--all"]), Some(2));
}
