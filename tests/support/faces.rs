//! Faces of ellipses, which a detector takes for real ones.

/// Pixels of a side.
pub const SIZE: usize = 160;

/// A face of ellipses: where it is, how large, and what skin, hair and lips look like.
#[derive(Clone, Copy)]
pub struct Drawn {
    pub middle: [f32; 2],
    pub radius: f32,
    pub skin: [f32; 3],
    pub hair: [f32; 3],
    /// How far apart the eyes are, and how wide the mouth is, as shares of the radius.
    pub eyes: f32,
    pub mouth: f32,
}

pub const ONE: Drawn = Drawn {
    middle: [70.0, 75.0],
    radius: 34.0,
    skin: [0.86, 0.67, 0.55],
    hair: [0.27, 0.18, 0.12],
    eyes: 0.35,
    mouth: 0.30,
};
impl Drawn {
    pub fn pixels(self) -> Vec<f32> {
        let Self {
            skin, hair, radius, ..
        } = self;
        let darker = skin.map(|x| 0.8 * x);
        let mut ellipses = vec![
            ([0.0, -0.25], [1.0, 1.25], hair),
            ([0.0, 1.2], [0.35, 0.5], darker),
            ([0.0, 2.2], [1.6, 0.9], [0.24, 0.31, 0.47]),
            ([0.0, 0.0], [0.82, 1.1], skin),
            ([0.0, 0.25], [0.13, 0.08], darker),
            ([0.0, 0.56], [self.mouth, 0.09], [0.6, 0.28, 0.28]),
        ];
        for side in [-self.eyes, self.eyes] {
            ellipses.push(([side, -0.42], [0.22, 0.05], hair));
            ellipses.push(([side, -0.14], [0.22, 0.14], darker));
            ellipses.push(([side, -0.15], [0.17, 0.085], [0.94; 3]));
            ellipses.push(([side, -0.15], [0.085, 0.085], [0.15, 0.1, 0.08]));
        }
        let colour = |x: usize, y: usize| {
            let at = [x as f32 - self.middle[0], y as f32 - self.middle[1]].map(|d| d / radius);
            let mut colour = [0.6, 0.67, 0.75];
            for (middle, half, painted) in &ellipses {
                let off = [0, 1].map(|axis| (at[axis] - middle[axis]) / half[axis]);
                let outside = (off[0].hypot(off[1]) - 1.0) * half[0].min(half[1]) * radius;
                let cover = (0.5 - outside / 1.5).clamp(0.0, 1.0);
                colour = [0, 1, 2].map(|c| colour[c] + cover * (painted[c] - colour[c]));
            }
            colour
        };
        (0..SIZE * SIZE)
            .flat_map(|at| colour(at % SIZE, at / SIZE))
            .collect()
    }
}
