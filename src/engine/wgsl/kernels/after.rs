//! What follows an operation before its result is stored, as constants of the shader.

use super::launch::{Launcher, Window};
use crate::engine::{
    op::Unary,
    wgsl::step::{After, Step, quads, row_quads},
};

/// Names of the constants, in order.
const NAMES: [&str; 4] = ["AFTER_0", "AFTER_1", "AFTER_2", "AFTER_3"];

/// Room for scalars in a shader that imports `shared/after`.
const SCALARS: usize = 8;

/// The code of `Add` in `shaders/shared/after.wgsl`.
const ADD: usize = 30;

/// The code of `AddRow` in `shaders/shared/after.wgsl`.
const ADD_ROW: usize = 31;

/// Distance of a scalar's number in a code.
const SCALAR: usize = 32;

/// A function's number in `shaders/shared/unary.wgsl`.
pub fn code(function: Unary) -> usize {
    match function {
        Unary::Neg => 1,
        Unary::Abs => 2,
        Unary::Square => 3,
        Unary::Sqrt => 4,
        Unary::Recip => 5,
        Unary::Exp => 6,
        Unary::Log => 7,
        Unary::Sin => 8,
        Unary::Cos => 9,
        Unary::Tanh => 10,
        Unary::Sigmoid => 11,
        Unary::Silu => 12,
        Unary::GeluErf => 13,
        Unary::GeluTanh => 14,
        Unary::QuickGelu => 15,
        Unary::Relu => 16,
        Unary::HardSigmoid => 17,
        Unary::HardSwish => 18,
        Unary::LeakyRelu(_) => 19,
        Unary::Clamp(..) => 20,
        Unary::Affine { .. } => 21,
        Unary::Erf => 22,
        Unary::Floor => 23,
    }
}

/// Whether the result's channels are halved.
pub fn has_geglu(step: &Step) -> bool {
    step.after.contains(&After::Geglu)
}

/// Whether what follows fits in a shader's constants, leaving room for the operation's own function.
pub fn supports(step: &Step) -> bool {
    let count = |wanted: &After| step.after.iter().filter(|after| *after == wanted).count();
    let geglu = count(&After::Geglu);
    let own = usize::from(matches!(step.op, crate::engine::Op::Unary(_)));
    count(&After::Add) <= 1
        && count(&After::AddRow) <= 1
        && step.after.len() - geglu + own <= NAMES.len()
        && (geglu == 0 || (geglu == 1 && step.after[0] == After::Geglu))
        && step.scalars().len() <= SCALARS
}

/// How many operands are the operation's own.
pub fn own_operands(step: &Step) -> usize {
    let taken = step
        .after
        .iter()
        .filter(|after| matches!(after, After::Add | After::AddRow));
    step.operands.len() - taken.count()
}

/// What follows an operation.
pub struct Chain {
    /// The constants `AFTER_0` and on.
    pub constants: Vec<(&'static str, f64)>,
    /// The operand that is added to each element.
    pub added: Option<usize>,
    /// The operand that is added to each row of a batch row.
    pub per_row: Option<usize>,
}

impl Chain {
    /// What follows a step's operation.
    pub fn of(step: &Step) -> Self {
        Self::with(step, None)
    }

    /// The same, with a function of the operation's own in front.
    pub fn with(step: &Step, own: Option<Unary>) -> Self {
        let mut codes = Vec::new();
        let mut operand = own_operands(step);
        let mut scalar = step.op.scalars().len();
        let mut chain = Self {
            constants: Vec::new(),
            added: None,
            per_row: None,
        };
        if let Some(own) = own {
            codes.push(code(own));
        }
        for after in &step.after {
            match after {
                After::Unary(function) => {
                    codes.push(code(*function) + SCALAR * scalar);
                    scalar += function.scalars().len();
                }
                After::Add => {
                    codes.push(ADD);
                    chain.added = Some(operand);
                    operand += 1;
                }
                After::AddRow => {
                    codes.push(ADD_ROW);
                    chain.per_row = Some(operand);
                    operand += 1;
                }
                After::Geglu => {}
            }
        }
        assert!(
            codes.len() <= NAMES.len(),
            "{:?} after {:?}",
            step.after,
            step.op
        );
        let constants = NAMES.iter().zip(codes);
        chain.constants = constants.map(|(name, code)| (*name, code as f64)).collect();
        chain
    }

    /// The part of the residual that goes with the same part of the output.
    pub fn added(&self, launcher: &Launcher, part: std::ops::Range<usize>) -> Option<Window> {
        self.added.map(|operand| launcher.part(operand, part))
    }

    /// The rows of all batch rows.
    pub fn per_row(&self, launcher: &Launcher) -> Option<Window> {
        self.per_row.map(|operand| {
            let shape = launcher.shape(operand);
            debug_assert_eq!(
                quads(shape),
                shape[0] * row_quads(shape),
                "one row a batch row"
            );
            launcher.whole(operand)
        })
    }
}

/// Where a window begins, 0 when there is none.
pub fn base(window: Option<&Window>) -> u32 {
    window.map_or(0, |window| window.base)
}
