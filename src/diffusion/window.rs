//! In which steps of a walk a technique acts.

use std::{fmt, ops::Range, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Level;

/// The part of a walk in which a technique acts, counted from the noisy end.
///
/// The references count in two ways: the leading share of the steps, and the first and last step with both ends. Both
/// are spelled in a job and on the command line: `0.8`, `0.2..0.8`, and `0..=40` in steps.
///
/// ```
/// use guidestar::diffusion::Window;
///
/// let window: Window = "0.8".parse()?;
/// assert_eq!(window.span(50), 0..40);
/// let inclusive: Window = "0..=40".parse()?;
/// assert_eq!(inclusive.span(50), 0..41);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Spelling", into = "Spelling")]
pub enum Window {
    /// Shares of the steps, 0 to 1, each rounded down to whole steps.
    Share {
        /// Where it begins.
        from: f64,
        /// Where it ends.
        to: f64,
    },
    /// Numbers of steps, the last one included.
    Steps {
        /// The first step in which the technique acts.
        first: usize,
        /// The last one.
        last: usize,
    },
}

impl Window {
    /// Every step.
    pub const ALL: Self = Self::Share { from: 0.0, to: 1.0 };

    /// The leading share of the steps.
    pub const fn leading(share: f64) -> Self {
        Self::Share {
            from: 0.0,
            to: share,
        }
    }

    /// The numbers of the steps, of so many, in which the technique acts.
    pub fn span(self, steps: usize) -> Range<usize> {
        let whole = |share: f64| ((steps as f64 * share) as usize).min(steps);
        match self {
            Self::Share { from, to } => whole(from)..whole(to).max(whole(from)),
            Self::Steps { first, last } => first.min(steps)..last.saturating_add(1).min(steps),
        }
    }

    /// The noise levels at which the technique acts on the way down a walk.
    ///
    /// A level that a multistep sampler visits twice is one step here.
    pub fn levels(self, walk: &[(Level, Level)]) -> Levels {
        let mut timesteps: Vec<_> = walk.iter().map(|(from, _)| from.t).collect();
        timesteps.dedup();
        let span = self.span(timesteps.len());
        Levels(timesteps[span].to_vec())
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::ALL
    }
}

/// Noise levels at which a technique acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels(Vec<usize>);

impl Levels {
    /// Whether this is one of them.
    pub fn contain(&self, level: Level) -> bool {
        self.0.contains(&level.t)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share { from: 0.0, to } => write!(f, "{to}"),
            Self::Share { from, to } => write!(f, "{from}..{to}"),
            Self::Steps { first, last } => write!(f, "{first}..={last}"),
        }
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no window: write the leading share of the steps as 0.8, a part as 0.2..0.8, or steps with \
                 both ends as 0..=40"
            )
        };
        if let Some((first, last)) = text.split_once("..=") {
            let step = |digits: &str| digits.trim().parse().map_err(|_| wrong());
            let (first, last) = (step(first)?, step(last)?);
            if first > last {
                return Err(format!("the window {text:?} ends before it begins"));
            }
            return Ok(Self::Steps { first, last });
        }
        let share = |digits: &str| digits.trim().parse::<f64>().map_err(|_| wrong());
        let (from, to) = match text.split_once("..") {
            Some((from, to)) => (share(from)?, share(to)?),
            None => (0.0, share(text)?),
        };
        Self::checked(from, to)
    }
}

impl Window {
    fn checked(from: f64, to: f64) -> Result<Self, String> {
        if !(0.0..=1.0).contains(&from) || !(0.0..=1.0).contains(&to) {
            return Err(format!(
                "the window {from}..{to} leaves the steps: both ends are shares from 0 to 1"
            ));
        }
        if from > to {
            return Err(format!("the window {from}..{to} ends before it begins"));
        }
        Ok(Self::Share { from, to })
    }
}

/// A leading share is a number in JSON, everything else a string.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Spelling {
    Share(f64),
    Text(String),
}

impl TryFrom<Spelling> for Window {
    type Error = String;

    fn try_from(spelling: Spelling) -> Result<Self, String> {
        match spelling {
            Spelling::Share(share) => Self::checked(0.0, share),
            Spelling::Text(text) => text.parse(),
        }
    }
}

impl From<Window> for Spelling {
    fn from(window: Window) -> Self {
        match window {
            Window::Share { from: 0.0, to } => Self::Share(to),
            other => Self::Text(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_count_as_both_references_do() {
        assert_eq!(Window::leading(0.8).span(50), 0..40);
        assert_eq!(Window::leading(0.5).span(25), 0..12);
        assert_eq!(Window::Steps { first: 0, last: 25 }.span(50), 0..26);
        assert_eq!(Window::Steps { first: 0, last: 99 }.span(50), 0..50);
        assert_eq!(Window::ALL.span(7), 0..7);
        assert!(Window::leading(0.0).span(50).is_empty());
        assert!(Window::Steps { first: 9, last: 9 }.span(3).is_empty());
    }

    #[test]
    fn windows_survive_every_spelling() {
        for (text, json) in [
            ("0.8", "0.8"),
            ("0.2..0.8", "\"0.2..0.8\""),
            ("3..=40", "\"3..=40\""),
        ] {
            let window: Window = text.parse().unwrap();
            assert_eq!(window.to_string(), text);
            assert_eq!(serde_json::to_string(&window).unwrap(), json);
            assert_eq!(serde_json::from_str::<Window>(json).unwrap(), window);
        }
        for wrong in [
            "", "1.5", "-0.1", "0.8..0.2", "5..=2", "nan", "a..b", "0..=0.5",
        ] {
            assert!(wrong.parse::<Window>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_level_visited_twice_is_one_step() {
        let level = |t| Level {
            alphas_cumprod: 0.5,
            t,
        };
        let walk = [951, 901, 901, 851, 801].map(|t| (level(t), level(t)));
        let levels = Window::leading(0.5).levels(&walk);
        let acts = [951, 901, 851, 801].map(|t| levels.contain(level(t)));
        assert_eq!(acts, [true, true, false, false]);
    }
}
