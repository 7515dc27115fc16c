//! Walks a graph.

use std::collections::HashMap;

use super::{
    call::{Call, Derived},
    fault::{Fallible, Fault},
    graph::{Graph, Node},
    value::Value,
};
use crate::tensor::Device;

/// What was computed once for one shape of the inputs.
#[derive(Default)]
pub struct Bound {
    /// What nodes made of what is known, by their place in the order.
    folded: HashMap<usize, Vec<Value>>,
    derived: Derived,
}

impl Bound {
    /// The graph's outputs.
    pub fn walk(
        &mut self,
        graph: &Graph,
        device: &Device,
        inputs: &[Value],
    ) -> Fallible<Vec<Value>> {
        let mut values: Vec<Option<Value>> = vec![None; graph.values];
        for (&number, constant) in &graph.constants {
            values[number] = Some(Value::Known(constant.clone()));
        }
        for ((_, number), value) in graph.inputs.iter().zip(inputs) {
            values[*number] = Some(value.clone());
        }
        for (at, node) in graph.nodes.iter().enumerate() {
            let made = match self.folded.get(&at) {
                Some(made) => made.clone(),
                None => self.compute(at, node, graph.opset, device, &values)?,
            };
            for (number, value) in node.outputs.iter().zip(made) {
                if let Some(number) = number {
                    values[*number] = Some(value);
                }
            }
            for &number in &graph.released[at] {
                values[number] = None;
            }
        }
        let outputs = graph.outputs.iter();
        outputs
            .map(|(name, number)| {
                values[*number]
                    .clone()
                    .ok_or_else(|| Fault::Graph(format!("nothing in it makes {name:?}")))
            })
            .collect()
    }

    fn compute(
        &mut self,
        at: usize,
        node: &Node,
        opset: i64,
        device: &Device,
        values: &[Option<Value>],
    ) -> Fallible<Vec<Value>> {
        let inputs = node.inputs.iter();
        let call = Call {
            node,
            opset,
            device,
            inputs: inputs.map(|number| values[(*number)?].clone()).collect(),
            derived: &self.derived,
        };
        let named = |fault| match fault {
            Fault::Graph(text) => Fault::Graph(format!("{} {text}", node.label)),
            other @ Fault::Other(_) => other,
        };
        let made = (node.operation)(&call).map_err(named)?;
        let wanted = node
            .outputs
            .iter()
            .rposition(Option::is_some)
            .map_or(0, |last| last + 1);
        if made.len() < wanted {
            return Err(Fault::Graph(format!(
                "{} is asked for {wanted} results and makes {}",
                node.label,
                made.len()
            )));
        }
        if made.iter().all(|value| value.known().is_some()) {
            self.folded.insert(at, made.clone());
        }
        Ok(made)
    }
}
