//! Replaces `#import shared/name` lines by the file, once each.

use std::{collections::HashSet, fs, path::Path};

/// Reads a file, naming it when that fails.
pub fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// A shader's text with everything it imports in front of where it is first imported.
pub fn expand(root: &Path, name: &str) -> Result<String, String> {
    let mut text = String::new();
    append(root, name, &mut HashSet::new(), &mut text)?;
    Ok(text)
}

fn append(
    root: &Path,
    name: &str,
    seen: &mut HashSet<String>,
    text: &mut String,
) -> Result<(), String> {
    if !seen.insert(name.to_owned()) {
        return Ok(());
    }
    for line in read(&root.join(format!("{name}.wgsl")))?.lines() {
        if let Some(import) = line.strip_prefix("#import ") {
            append(root, import.trim(), seen, text)?;
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    Ok(())
}
