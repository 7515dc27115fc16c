//! Tells a person, or a program, what is going on: progress on stderr, results on stdout.

use std::io::{self, Write};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use super::flags::Talk;
use crate::session::Event;

/// A bar of steps.
const STEPS: &str = "{msg} {wide_bar} step {pos} of {len}, {prefix}";

/// Tells what is going on.
pub struct Report {
    talk: Talk,
    bar: ProgressBar,
    loading: Option<String>,
    /// Whether the bar shows what is being prepared.
    preparing: bool,
    pictures: usize,
    /// What guides said last.
    guided: String,
}

impl Report {
    /// As the flags say.
    pub fn new(talk: Talk) -> Self {
        Self {
            talk,
            bar: ProgressBar::hidden(),
            loading: None,
            preparing: false,
            pictures: 1,
            guided: String::new(),
        }
    }

    /// Tells an event.
    pub fn event(&mut self, event: &Event) {
        if self.talk.json {
            match serde_json::to_string(event) {
                Ok(line) => print(&line),
                Err(error) => log::error!("an event has no JSON: {error}"),
            }
        } else {
            self.show(event);
        }
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::Loading {
                part,
                done_bytes,
                total_bytes,
            } => self.load(part, *done_bytes, *total_bytes),
            Event::Started {
                job,
                device,
                precision,
                count,
                steps,
            } => {
                self.pictures = *count;
                self.say(&format!("{} on {device} in {precision}", job.model));
                self.start_bar(*steps as u64, STEPS);
            }
            Event::Preparing {
                done,
                of,
                left_secs,
            } => {
                if !self.preparing {
                    self.preparing = true;
                    self.start_bar(
                        *of as u64,
                        "preparing shaders {wide_bar} {pos} of {len}, {prefix}",
                    );
                }
                self.bar.set_position(*done as u64);
                self.bar.set_prefix(format!("{} left", span(*left_secs)));
            }
            Event::Warning { message } => self.say(&format!("warning: {message}")),
            Event::Step {
                picture,
                step,
                of,
                rate,
                left_secs,
            } => {
                if self.preparing {
                    self.preparing = false;
                    self.start_bar(*of as u64, STEPS);
                }
                self.bar.set_length(*of as u64);
                self.bar.set_position(*step as u64);
                let which = format!("picture {} of {}", picture + 1, self.pictures);
                self.bar.set_message(which);
                let guided = match &self.guided[..] {
                    "" => String::new(),
                    losses => format!("; {losses}"),
                };
                self.bar.set_prefix(format!(
                    "{} a second, {} left{guided}",
                    rounded(*rate),
                    span(*left_secs)
                ));
            }
            Event::Guided { losses, .. } => {
                let said = losses
                    .iter()
                    .map(|(guide, loss)| format!("{guide} {loss:.3}"));
                self.guided = said.collect::<Vec<_>>().join(", ");
            }
            Event::Trace {
                step,
                of,
                rate,
                left_secs,
            } => {
                if *step == 1 {
                    self.start_bar(*of as u64, STEPS);
                    self.bar.set_message("finding the source's latents");
                }
                self.bar.set_position(*step as u64);
                let [rate, left] = [rounded(*rate), span(*left_secs)];
                self.bar.set_prefix(format!("{rate} a second, {left} left"));
            }
            Event::Traced { secs } => {
                self.bar.finish_and_clear();
                self.say(&format!("the source's latents, {}", span(*secs)));
            }
            Event::Picture { seed, secs, .. } => {
                self.say(&format!("seed {seed}, {}", span(*secs)));
            }
            Event::Saved { path, .. } => self.bar.suspend(|| print(path)),
            Event::Stopped { finished, of } => {
                self.bar.finish_and_clear();
                self.say(&format!("stopped: {finished} of {of} pictures are saved"));
            }
            Event::Done { .. } => self.bar.finish_and_clear(),
            Event::Failed { .. } => {}
        }
    }

    fn load(&mut self, part: &str, done_bytes: u64, total_bytes: u64) {
        if self.loading.as_deref() != Some(part) {
            self.loading = Some(part.to_owned());
            self.start_bar(
                total_bytes,
                "loading {msg} {wide_bar} {bytes} of {total_bytes}",
            );
            self.bar.set_message(part.to_owned());
            log::debug!("{part}: {}", HumanBytes(total_bytes));
        }
        self.bar.set_position(done_bytes);
    }

    fn start_bar(&mut self, length: u64, template: &str) {
        self.bar.finish_and_clear();
        if self.talk.quiet {
            return;
        }
        // On anything but a terminal the bar draws nothing.
        let style = ProgressStyle::with_template(template).expect("the template is fixed");
        self.bar = ProgressBar::new(length).with_style(style.progress_chars("━╸ "));
    }

    /// A line for a person.
    pub fn say(&self, line: &str) {
        if !self.talk.quiet && !self.talk.json {
            self.bar.suspend(|| eprintln!("{line}"));
        }
    }

    /// Tells why nothing more comes: a sentence on stderr, and an event for programs.
    pub fn failure(&mut self, error: &anyhow::Error) {
        self.clear();
        if self.talk.json {
            self.event(&Event::failed(error.as_ref()));
        }
        eprintln!("error: {error:#}");
    }

    /// Ends the progress bar, whatever happens next.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A line on stdout. A reader that went away is no error of ours.
pub fn print(line: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        log::debug!("nobody reads the output: {error}");
    }
}

/// Three digits or so.
fn rounded(number: f64) -> String {
    match number {
        n if n >= 100.0 => format!("{n:.0}"),
        n if n >= 10.0 => format!("{n:.1}"),
        n => format!("{n:.2}"),
    }
}

/// A span of time as a person says it.
pub fn span(secs: f64) -> String {
    match secs {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{:.0} min {:02.0} s", (s / 60.0).floor(), s % 60.0),
        s => format!(
            "{:.0} h {:02.0} min",
            (s / 3600.0).floor(),
            s % 3600.0 / 60.0
        ),
    }
}
