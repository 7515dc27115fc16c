//! `guidestar serve`, spoken to as a browser does and as an attacker might.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use assert_cmd::cargo::cargo_bin;
use tempfile::TempDir;

/// The program, serving a small page of its own until it is dropped.
struct Server {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site");
        for (path, text) in [
            ("site/index.html", "<!doctype html>"),
            ("site/sw.js", "0;"),
            ("site/manifest.webmanifest", "{}"),
            ("site/page-0123456789abcdef/main.js", "1;"),
            (
                "site/page-0123456789abcdef/engine/guidestar_bg.wasm",
                "wasm",
            ),
            (
                "site/page-0123456789abcdef/engine/guidestar_bg.wasm.gz",
                "zipped",
            ),
            (
                "site/page-0123456789abcdef/engine/guidestar_bg.wasm.br",
                "pressed",
            ),
            ("site/page-0123456789abcdef/main.js.gz", "zipped"),
            ("site/models/mini/unet.safetensors", "0123456789"),
            ("site/.hidden", "hidden"),
            ("secret", "secret"),
        ] {
            let place = folder.path().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path().join("secret"), site.join("link")).unwrap();
        let mut process = Command::new(cargo_bin!("guidestar"))
            .args(["serve", "--port", "0", "--quiet", "--dir"])
            .arg(&site)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        lines.read_line(&mut address).unwrap();
        let port = address.trim().strip_prefix("http://127.0.0.1:").unwrap();
        let port = port.trim_end_matches('/').parse().unwrap();
        Self {
            process,
            port,
            folder,
        }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).unwrap()
    }

    /// What comes back for the text of a request, until the server ends the connection.
    fn say(&self, text: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(text.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        // A refused body may end the connection before all is read.
        let _ = stream.read_to_end(&mut bytes);
        Answer(String::from_utf8(bytes).unwrap())
    }

    fn get(&self, address: &str, fields: &str) -> Answer {
        self.say(&format!(
            "GET {address} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n{fields}\r\n",
            self.port
        ))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Answer(String);

impl Answer {
    fn status(&self) -> &str {
        self.0.split(' ').nth(1).unwrap_or_default()
    }

    fn field(&self, name: &str) -> &str {
        let head = self.0.split("\r\n\r\n").next().unwrap();
        let start = format!("{name}: ");
        let line = head.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_default()
    }

    fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

#[test]
fn files_come_with_their_types_and_under_the_policy() {
    let server = Server::start();
    for (address, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/?from=here", "text/html; charset=utf-8"),
        ("/sw.js", "text/javascript; charset=utf-8"),
        ("/manifest.webmanifest", "application/manifest+json"),
        (
            "/page-0123456789abcdef/engine/guidestar_bg.wasm",
            "application/wasm",
        ),
        ("/models/mini/unet.safetensors", "application/octet-stream"),
    ] {
        let answer = server.get(address, "");
        assert_eq!(answer.status(), "200", "{address}");
        assert_eq!(answer.field("Content-Type"), kind, "{address}");
        let policy = answer.field("Content-Security-Policy");
        assert!(policy.contains("'wasm-unsafe-eval'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"));
        assert_eq!(answer.field("X-Content-Type-Options"), "nosniff");
        assert_eq!(answer.field("Referrer-Policy"), "no-referrer");
    }
    assert_eq!(server.get("/", "").body(), "<!doctype html>");
}

#[test]
fn stamped_files_are_kept_and_the_others_asked_for_by_their_tag() {
    let server = Server::start();
    let stamped = server.get("/page-0123456789abcdef/main.js", "");
    assert_eq!(
        stamped.field("Cache-Control"),
        "public, max-age=31536000, immutable"
    );
    let start = server.get("/", "");
    assert_eq!(start.field("Cache-Control"), "no-cache");
    let tag = format!("If-None-Match: {}\r\n", start.field("ETag"));
    let again = server.get("/", &tag);
    assert_eq!((again.status(), again.body()), ("304", ""));
    fs::write(
        server.folder.path().join("site/index.html"),
        "<!doctype html>.",
    )
    .unwrap();
    let changed = server.get("/", &tag);
    assert_eq!(
        (changed.status(), changed.body()),
        ("200", "<!doctype html>.")
    );
}

#[test]
fn what_is_packed_is_sent_so_to_those_who_take_it() {
    let server = Server::start();
    let file = "/page-0123456789abcdef/engine/guidestar_bg.wasm";
    let taking = |packings| server.get(file, &format!("Accept-Encoding: {packings}\r\n"));
    let answers = ["gzip, deflate, br", "gzip", "identity"].map(taking);
    let sent = answers
        .each_ref()
        .map(|answer| (answer.field("Content-Encoding"), answer.body()));
    assert_eq!(sent, [("br", "pressed"), ("gzip", "zipped"), ("", "wasm")]);
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status(), "200");
        assert_eq!(answer.field("Content-Type"), "application/wasm");
        assert!(answer.field("Cache-Control").contains("immutable"));
        assert_eq!(answer.field("Vary"), "Accept-Encoding");
        let tags = answers.each_ref().map(|answer| answer.field("ETag"));
        assert!(!tags[..at].contains(&answer.field("ETag")));
    }
    let one_form = "/page-0123456789abcdef/main.js";
    let one_form = server.get(one_form, "Accept-Encoding: br, gzip\r\n");
    assert_eq!(
        (one_form.field("Content-Encoding"), one_form.body()),
        ("gzip", "zipped")
    );
    let part = server.get(file, "Accept-Encoding: gzip\r\nRange: bytes=1-2\r\n");
    assert_eq!((part.status(), part.body()), ("206", "as"));
    let other = server.get("/sw.js", "Accept-Encoding: gzip\r\n");
    assert_eq!((other.field("Content-Encoding"), other.body()), ("", "0;"));
}

#[test]
fn a_part_of_a_file_can_be_asked_for() {
    let server = Server::start();
    let file = "/models/mini/unet.safetensors";
    let whole = server.get(file, "");
    assert_eq!(whole.field("Accept-Ranges"), "bytes");
    let part = server.get(file, "Range: bytes=2-4\r\n");
    assert_eq!((part.status(), part.body()), ("206", "234"));
    assert_eq!(part.field("Content-Range"), "bytes 2-4/10");
    assert_eq!(part.field("Content-Length"), "3");
    let rest = server.get(file, "Range: bytes=7-\r\n");
    assert_eq!((rest.status(), rest.body()), ("206", "789"));
    let beyond = server.get(file, "Range: bytes=10-\r\n");
    assert_eq!(
        (beyond.status(), beyond.field("Content-Range")),
        ("416", "bytes */10")
    );
    let other = server.get(file, "Range: bytes=2-4\r\nIf-Range: \"other\"\r\n");
    assert_eq!((other.status(), other.body()), ("200", "0123456789"));
    let same = format!("Range: bytes=2-4\r\nIf-Range: {}\r\n", whole.field("ETag"));
    assert_eq!(server.get(file, &same).status(), "206");
}

#[test]
fn nothing_outside_the_page_is_given() {
    let server = Server::start();
    for address in [
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/page-0123456789abcdef/../../secret",
        "//secret",
        "/.hidden",
        "/link",
        "/missing",
        "/models",
        "/models/",
        "/%00",
        "/..\\secret",
    ] {
        let answer = server.get(address, "");
        assert_eq!(answer.status(), "404", "{address}");
        assert!(
            !answer.0.contains("secret") && !answer.body().contains("hidden"),
            "{address}"
        );
    }
}

#[test]
fn other_hosts_other_methods_and_nonsense_are_refused() {
    let server = Server::start();
    let rebound = server.say("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert_eq!(rebound.status(), "421");
    let post = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: 5\r\n\r\nGET /",
        server.port
    );
    let post = server.say(&post);
    assert_eq!((post.status(), post.field("Allow")), ("405", "GET, HEAD"));
    assert_eq!(server.say("hello\r\n\r\n").status(), "400");
    let long = format!(
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    assert_eq!(server.say(&long).status(), "400");
    let head = format!(
        "HEAD / HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
        server.port
    );
    let head = server.say(&head);
    assert_eq!(
        (head.status(), head.field("Content-Length"), head.body()),
        ("200", "15", "")
    );
}

#[test]
fn a_connection_takes_several_requests() {
    let server = Server::start();
    let one = format!(
        "GET /sw.js HTTP/1.1\r\nHost: localhost:{}\r\n\r\n",
        server.port
    );
    let last = one.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let both = server.say(&format!("{one}{last}"));
    assert_eq!(both.0.matches("HTTP/1.1 200 OK").count(), 2);
}

#[test]
fn a_taken_port_and_a_missing_page_are_said_in_a_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = assert_cmd::Command::new(cargo_bin!("guidestar"));
        command.current_dir(&folder).arg("serve").args(arguments);
        let output = command.assert().code(2).get_output().clone();
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(run(&["--dir", "."]).contains("there is no page in ."));
    fs::write(folder.path().join("index.html"), "").unwrap();
    let said = run(&["--dir", ".", "--port", &port]);
    assert!(
        said.contains(&format!("port {port} is taken: choose another with --port")),
        "{said}"
    );
}
