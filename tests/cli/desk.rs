//! A place to run the program in.

use std::{
    fs,
    path::{Path, PathBuf},
};

use assert_cmd::{Command, cargo::cargo_bin};
use tempfile::TempDir;

/// A folder of its own for each test, and the program started in it.
pub struct Desk(pub TempDir);

impl Desk {
    /// An empty one.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The program with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(cargo_bin!("guidestar"));
        command.current_dir(&self.0).args(arguments);
        command
    }

    /// A picture on the CPU, small and after one step: enough to see what is written.
    pub fn generate(&self, prompt: &str, more: &[&str]) -> Command {
        let quick = ["--device", "cpu", "--size", "64x64", "--steps", "1"];
        let mut command = self.run(&["generate", prompt]);
        command.args(quick).args(more);
        command
    }

    /// A file on it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Names of everything that lies there, hidden files too.
    pub fn files(&self) -> Vec<String> {
        names(self.0.path())
    }
}

/// Names of everything in a folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}
