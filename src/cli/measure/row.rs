//! What was measured, as a line of a table or of JSON.

use serde::Serialize;

/// What was measured of a picture. What is `None` does not apply, or is not to be had.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// The picture.
    pub picture: String,
    /// What it was compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// What is to be seen in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Mean squared difference of colours in 0..1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mse: Option<f64>,
    /// Peak signal-to-noise ratio in decibels; JSON knows no infinity, so that of equal pictures is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psnr: Option<f64>,
    /// Structural similarity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssim: Option<f64>,
    /// Distance of the layouts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structure: Option<f64>,
    /// Variance of the Laplacian.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sharpness: Option<f64>,
    /// 100 times the cosine of picture and text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_score: Option<f64>,
    /// What it most likely shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thing: Option<String>,
    /// How likely it shows what the text names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thing_confidence: Option<f64>,
    /// The colour that its background most likely has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<String>,
    /// How likely that is the colour that the text names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour_confidence: Option<f64>,
}

/// Numbers of a row: heading, digits behind the point, whether they compare two pictures.
const NUMBERS: [(&str, usize, bool); 8] = [
    ("mse", 5, true),
    ("psnr", 2, true),
    ("ssim", 4, true),
    ("structure", 5, true),
    ("sharpness", 1, false),
    ("text", 1, false),
    ("thing", 3, false),
    ("colour", 3, false),
];
/// Letters of a column of numbers.
const WIDE: usize = 10;

impl Row {
    fn numbers(&self) -> [Option<f64>; NUMBERS.len()] {
        [
            self.mse,
            self.psnr,
            self.ssim,
            self.structure,
            self.sharpness,
            self.text_score,
            self.thing_confidence,
            self.colour_confidence,
        ]
    }

    /// One line.
    ///
    /// # Panics
    /// Never: a row has nothing that JSON cannot say.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a row is strings and numbers")
    }
}

/// How wide a table is.
pub struct Columns {
    /// Letters of the longest name.
    pub name: usize,
    /// Whether pictures are compared.
    pub compared: bool,
}

/// What the last line is called.
const MEAN: &str = "mean";

impl Columns {
    /// The line above all others.
    pub fn heading(&self) -> String {
        let cells = NUMBERS.map(|(name, ..)| name.to_owned());
        self.aligned("picture", &cells)
    }

    /// A row's line.
    pub fn line(&self, row: &Row) -> String {
        let mut cells = NUMBERS.map(|_| "-".to_owned());
        for (cell, (number, (_, digits, _))) in
            cells.iter_mut().zip(row.numbers().into_iter().zip(NUMBERS))
        {
            if let Some(number) = number {
                *cell = format!("{number:.digits$}");
            }
        }
        self.aligned(&row.picture, &cells)
    }

    fn aligned(&self, name: &str, cells: &[String; NUMBERS.len()]) -> String {
        let wide = self.name.max("picture".len());
        let shown = cells.iter().zip(NUMBERS);
        let shown = shown.filter(|(_, (_, _, compares))| self.compared || !compares);
        let aligned = shown.map(|(cell, _)| format!("{cell:>WIDE$}"));
        format!("{name:wide$}{}", aligned.collect::<String>())
    }
}

/// The mean of rows.
#[derive(Default)]
pub struct Mean {
    rows: usize,
    sums: [f64; NUMBERS.len()],
    counts: [usize; NUMBERS.len()],
}

impl Mean {
    /// Takes a row into account. What it lacks, or is infinite in it, is left out of that number's mean.
    pub fn add(&mut self, row: &Row) {
        self.rows += 1;
        for (at, number) in row.numbers().into_iter().enumerate() {
            if let Some(number) = number.filter(|number| number.is_finite()) {
                self.sums[at] += number;
                self.counts[at] += 1;
            }
        }
    }

    /// The means as a row.
    pub fn row(&self) -> Row {
        let mean = |at: usize| {
            let count = self.counts[at];
            (count > 0).then(|| self.sums[at] / count as f64)
        };
        Row {
            picture: MEAN.to_owned(),
            mse: mean(0),
            psnr: mean(1),
            ssim: mean(2),
            structure: mean(3),
            sharpness: mean(4),
            text_score: mean(5),
            thing_confidence: mean(6),
            colour_confidence: mean(7),
            ..Row::default()
        }
    }

    /// One line.
    ///
    /// # Panics
    /// Never: it has nothing that JSON cannot say.
    pub fn to_json(&self) -> String {
        let mut mean = serde_json::to_value(self.row()).expect("a row is strings and numbers");
        if let Some(fields) = mean.as_object_mut() {
            fields.remove("picture");
        }
        serde_json::json!({"mean": mean, "pictures": self.rows}).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_leaves_out_what_is_not_there_and_what_is_infinite() {
        let row = |psnr: Option<f64>| Row {
            psnr,
            sharpness: Some(3.0),
            ..Row::default()
        };
        let mut mean = Mean::default();
        for psnr in [Some(10.0), Some(f64::INFINITY), None, Some(20.0)] {
            mean.add(&row(psnr));
        }
        let found = mean.row();
        assert_eq!(
            (found.psnr, found.sharpness, found.mse),
            (Some(15.0), Some(3.0), None)
        );
        assert!(mean.to_json().contains("\"pictures\":4"));
    }

    #[test]
    fn lines_are_as_long_as_their_heading() {
        let columns = Columns {
            name: 12,
            compared: true,
        };
        let row = Row {
            picture: "a-lion-7.png".to_owned(),
            mse: Some(0.25),
            psnr: Some(f64::INFINITY),
            ..Row::default()
        };
        let line = columns.line(&row);
        assert_eq!(line.len(), columns.heading().len(), "{line}");
        assert!(line.contains("0.25000") && line.contains("inf"), "{line}");
    }
}
