//! What has been asked for and not yet computed.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
};

use super::buffers::Buffer;
use crate::engine::{Op, Shape, Value};

/// A tensor of this engine.
pub struct Node {
    pub shape: Shape,
    content: RefCell<Content>,
}

/// Where a node's elements come from.
pub enum Content {
    /// They have to be computed.
    Op { op: Op, inputs: Vec<Rc<Node>> },
    /// They are on the host, until a run brings them over.
    Host(Rc<[f32]>),
    /// They were computed by an earlier run.
    Stored(Rc<Buffer>),
    /// They stay where they are, and plans refer to them.
    Constant(Rc<Constant>),
}

/// A tensor that plans refer to by identity.
pub struct Constant {
    pub id: u64,
    /// None when planning without a device.
    pub buffer: Option<Rc<Buffer>>,
    /// Raised when a constant is dropped: plans that refer to it are of no use any more.
    pub dropped: Rc<Cell<bool>>,
}

impl Drop for Constant {
    fn drop(&mut self) {
        self.dropped.set(true);
    }
}

impl Node {
    /// A node of this content.
    pub fn new(shape: &Shape, content: Content) -> Rc<Self> {
        Rc::new(Self {
            shape: shape.clone(),
            content: RefCell::new(content),
        })
    }

    /// The node behind a value.
    pub fn of(value: &Value) -> Rc<Self> {
        let node = value.clone().downcast::<Self>();
        node.expect("a tensor goes only to the engine that made it")
    }

    /// Where its elements come from.
    pub fn content(&self) -> std::cell::Ref<'_, Content> {
        self.content.borrow()
    }

    /// Gives it another content and lets go of what led to it.
    pub fn settle(&self, content: Content) {
        let old = self.content.replace(content);
        release(old);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        release(self.content.replace(Content::Host(Rc::new([]))));
    }
}

/// Drops what hangs on a content one after the other: a graph may be deeper than the stack.
fn release(content: Content) {
    let mut waiting = vec![content];
    while let Some(content) = waiting.pop() {
        if let Content::Op { inputs, .. } = content {
            let last = inputs
                .into_iter()
                .filter_map(|node| Rc::try_unwrap(node).ok());
            waiting.extend(last.map(|node| node.content.replace(Content::Host(Rc::new([])))));
        }
    }
}

/// A graph in an order in which it can be computed; nodes refer to each other by position.
pub struct Line {
    pub nodes: Vec<Entry>,
    /// Positions of what was asked for.
    pub roots: Vec<usize>,
}

/// A node in its line.
pub struct Entry {
    pub node: Rc<Node>,
    pub inputs: Vec<usize>,
}

impl Line {
    /// Everything that leads to `roots`, inputs first. The order depends on the structure alone.
    pub fn up_to(roots: &[Rc<Node>]) -> Self {
        let mut nodes: Vec<Entry> = Vec::new();
        let mut places: HashMap<*const Node, usize> = HashMap::new();
        // A node is visited twice: to put its inputs in front of it, and to take its place.
        let mut waiting: Vec<(Rc<Node>, bool)> = Vec::new();
        for root in roots {
            waiting.push((root.clone(), false));
            while let Some((node, ready)) = waiting.pop() {
                if places.contains_key(&Rc::as_ptr(&node)) {
                    continue;
                }
                let inputs = match &*node.content() {
                    Content::Op { inputs, .. } => inputs.clone(),
                    _ => Vec::new(),
                };
                if ready || inputs.is_empty() {
                    let inputs = inputs.iter().map(|input| places[&Rc::as_ptr(input)]);
                    let inputs = inputs.collect();
                    places.insert(Rc::as_ptr(&node), nodes.len());
                    nodes.push(Entry { node, inputs });
                } else {
                    waiting.push((node, true));
                    waiting.extend(inputs.into_iter().rev().map(|input| (input, false)));
                }
            }
        }
        let roots = roots.iter().map(|root| places[&Rc::as_ptr(root)]).collect();
        Self { nodes, roots }
    }

    /// Names the structure: equal for two graphs when one plan serves both.
    pub fn key(&self) -> u128 {
        // Two hashes of 64 bits: a plan taken for another would be a wrong picture, not an error.
        let halves = [0_u64, 1].map(|salt| {
            let mut state = DefaultHasher::new();
            salt.hash(&mut state);
            for entry in &self.nodes {
                entry.node.shape.hash(&mut state);
                entry.inputs.hash(&mut state);
                match &*entry.node.content() {
                    Content::Op { op, .. } => (0, op).hash(&mut state),
                    Content::Constant(constant) => (1, constant.id).hash(&mut state),
                    Content::Host(_) | Content::Stored(_) => 2.hash(&mut state),
                }
            }
            self.roots.hash(&mut state);
            state.finish()
        });
        (u128::from(halves[0]) << 64) | u128::from(halves[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::op::{Scalar, Unary};

    fn chain(length: usize, scale: f32) -> Rc<Node> {
        let shape = Shape::from([4]);
        let mut node = Node::new(&shape, Content::Host(Rc::new([0.0; 4])));
        for _ in 0..length {
            let op = Op::Unary(Unary::Affine {
                scale: Scalar(scale),
                shift: Scalar(0.0),
            });
            let inputs = vec![node];
            node = Node::new(&shape, Content::Op { op, inputs });
        }
        node
    }

    #[test]
    fn a_graph_deeper_than_the_stack_is_ordered_and_dropped() {
        let node = chain(300_000, 1.0);
        assert_eq!(Line::up_to(&[node]).nodes.len(), 300_001);
    }

    #[test]
    fn a_scalar_is_no_part_of_the_key_and_the_structure_is() {
        let key = |node| Line::up_to(&[node]).key();
        assert_eq!(key(chain(3, 1.0)), key(chain(3, 2.0)));
        assert_ne!(key(chain(3, 1.0)), key(chain(4, 1.0)));
    }
}
