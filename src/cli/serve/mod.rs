//! `serve`: the page on this machine's own address, for this machine alone.
//!
//! A server of our own, because it is a small one: it reads `GET` and `HEAD` with `httparse` (hyper's parser, which the program
//! has anyway), answers from a fixed set of files, and needs no asynchronous runtime. It listens on 127.0.0.1 only and refuses
//! requests that name another host, so that no page elsewhere can reach it by a name that points here.

mod answer;
mod exchange;
mod site;

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;

use super::{exit::Exit, flags::Talk, report, stop};
use crate::error::Error;
use site::Site;

/// Where the page is when nobody says otherwise: a sodium laser's 589.0 nm.
const USUAL_PORT: u16 = 5890;
/// More than a browser opens at once, by far.
const CONNECTIONS: usize = 64;

/// `guidestar serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// The port to listen on; 0 takes any that is free.
    #[arg(long, default_value_t = USUAL_PORT, value_name = "PORT")]
    pub port: u16,
    /// Serve the page in this folder [default: the one in this program, else dist].
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
    /// Open the page in the browser.
    #[arg(long)]
    pub open: bool,
}

/// Serves the page until the person stops it.
///
/// # Errors
/// When there is no page, or the port is taken.
pub fn serve(flags: &Serve, talk: Talk) -> Result<Exit> {
    let site = Arc::new(Site::open(flags.dir.as_deref())?);
    let listener = listen(flags.port)?;
    let port = listener.local_addr().context("no address")?.port();
    let address = format!("http://127.0.0.1:{port}/");
    if talk.json {
        report::print(&serde_json::json!({"event": "serving", "address": address}).to_string());
    } else {
        report::print(&address);
        if !talk.quiet {
            eprintln!("serving the page from {site}; Ctrl-C ends it");
        }
    }
    if flags.open && !opened(&address) {
        eprintln!("no browser could be started: open {address} yourself");
    }
    // Ctrl-C does not wake a thread that waits for connections.
    thread::spawn(move || accept(&listener, &site));
    while !stop::asked() {
        thread::sleep(Duration::from_millis(50));
    }
    Ok(Exit::Interrupted)
}

fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
        let advice = "choose another with --port, or 0 for any that is free";
        let text = match error.kind() {
            ErrorKind::AddrInUse => format!("port {port} is taken: {advice}"),
            ErrorKind::PermissionDenied => {
                format!("port {port} is not for everyone to use: {advice}")
            }
            _ => format!("port {port} cannot be listened on ({error}): {advice}"),
        };
        Error::Request(text).into()
    })
}

fn accept(listener: &TcpListener, site: &Arc<Site>) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        match stream {
            Ok(stream) if open.load(Ordering::Relaxed) < CONNECTIONS => {
                let (site, open) = (site.clone(), open.clone());
                open.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || {
                    talk_to(stream, &site);
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            }
            Ok(_) => log::warn!("more than {CONNECTIONS} connections at once: one was refused"),
            Err(error) => log::debug!("a connection failed before it began: {error}"),
        }
    }
}

fn talk_to(stream: TcpStream, site: &Site) {
    // A browser that goes away in the middle is nothing to tell anyone.
    if let Err(error) = exchange::exchange(stream, site) {
        log::debug!("a connection ended: {error}");
    }
}

/// Opens an address in the person's browser; whether that worked.
fn opened(address: &str) -> bool {
    let (program, before): (&str, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("cmd", &["/C", "start"]),
        _ => ("xdg-open", &[]),
    };
    let started = Command::new(program).args(before).arg(address).status();
    started.is_ok_and(|status| status.success())
}
