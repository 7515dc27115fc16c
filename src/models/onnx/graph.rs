//! The graph of a file, checked: every name is made once and before it is used, and every operation is one that we know.

use std::{
    collections::{HashMap, HashSet},
    ops::RangeInclusive,
    rc::Rc,
};

use prost::{Message, bytes::Bytes};

use super::{
    constant::Constant,
    fault::Fault,
    host::Element,
    operators::{self, Operation},
    proto::{self, data_type},
};

/// Versions of the operators that are read.
const OPSETS: RangeInclusive<i64> = 1..=25;

/// A node.
pub struct Node {
    /// Its place in the file.
    pub index: usize,
    /// Its name and what it does, for a person.
    pub label: String,
    pub operation: Operation,
    /// The values it takes; nothing where an optional one is left out.
    pub inputs: Vec<Option<usize>>,
    /// The values it makes; nothing where nobody asks for one.
    pub outputs: Vec<Option<usize>>,
    pub attributes: Vec<proto::Attribute>,
}

/// What a network takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its extent along each axis, where the file says one.
    pub dims: Vec<Option<usize>>,
    /// What its numbers mean.
    pub element: Element,
}

/// A graph.
pub struct Graph {
    pub opset: i64,
    /// In an order in which each finds its inputs ready.
    pub nodes: Vec<Node>,
    /// The values that the file brings, by their number.
    pub constants: HashMap<usize, Rc<Constant>>,
    /// What it takes, with the number of each value.
    pub inputs: Vec<(Port, usize)>,
    /// What it makes, with the number of each value.
    pub outputs: Vec<(String, usize)>,
    /// How many values there are.
    pub values: usize,
    /// For each node, in order: the values that nobody asks for after it.
    pub released: Vec<Vec<usize>>,
}

/// Numbers for names.
#[derive(Default)]
struct Names(HashMap<String, usize>);

impl Names {
    fn number(&mut self, name: &str) -> usize {
        let next = self.0.len();
        *self.0.entry(name.to_owned()).or_insert(next)
    }

    /// A node's list: an empty name stands for a value that is left out.
    fn list(&mut self, names: &[String]) -> Vec<Option<usize>> {
        let numbers = names.iter();
        numbers
            .map(|name| (!name.is_empty()).then(|| self.number(name)))
            .collect()
    }
}

impl Graph {
    /// Reads a file. With `wanted` names, only what leads to these values is computed, and they are the outputs.
    pub fn read(bytes: Bytes, wanted: Option<&[String]>) -> Result<Self, Fault> {
        let model = proto::Model::decode(bytes).map_err(|error| {
            format!(
                "it is no ONNX file, or not a whole one: {}",
                error.to_string().trim()
            )
        })?;
        let opset = opset(&model)?;
        let Some(graph) = model.graph else {
            return Err("it is no ONNX file: there is no graph in it"
                .to_owned()
                .into());
        };
        if !graph.sparse_initializer.is_empty() {
            return Err("it stores weights sparsely, which is not read"
                .to_owned()
                .into());
        }
        let mut names = Names::default();
        let mut constants = HashMap::new();
        for tensor in &graph.initializer {
            let constant = Constant::read(tensor).map_err(|fault| match fault {
                Fault::Graph(text) => Fault::Graph(format!("its weight {:?} {text}", tensor.name)),
                other @ Fault::Other(_) => other,
            })?;
            constants.insert(names.number(&tensor.name), Rc::new(constant));
        }
        let mut inputs = Vec::new();
        for input in &graph.input {
            let number = names.number(&input.name);
            // Old files list their weights among the inputs.
            if !constants.contains_key(&number) {
                inputs.push((port(input)?, number));
            }
        }
        let outputs: Vec<(String, usize)> = match wanted {
            Some(wanted) => wanted
                .iter()
                .map(|name| (name.clone(), names.number(name)))
                .collect(),
            None => graph
                .output
                .iter()
                .map(|output| (output.name.clone(), names.number(&output.name)))
                .collect(),
        };
        if outputs.is_empty() {
            return Err("it has no outputs".to_owned().into());
        }
        let given = constants
            .keys()
            .copied()
            .chain(inputs.iter().map(|(_, number)| *number));
        let nodes = sorted(graph.node, &mut names, &given.collect(), &outputs)?;
        Ok(Self {
            opset,
            released: released(&nodes, &outputs),
            nodes,
            constants,
            inputs,
            outputs,
            values: names.0.len(),
        })
    }
}

fn released(nodes: &[Node], outputs: &[(String, usize)]) -> Vec<Vec<usize>> {
    let mut seen: HashSet<usize> = outputs.iter().map(|(_, number)| *number).collect();
    let mut released: Vec<Vec<usize>> = nodes
        .iter()
        .rev()
        .map(|node| {
            let touched = node.inputs.iter().chain(&node.outputs).flatten();
            touched
                .copied()
                .filter(|&value| seen.insert(value))
                .collect()
        })
        .collect();
    released.reverse();
    released
}

fn opset(model: &proto::Model) -> Result<i64, Fault> {
    let own = |id: &&proto::OpsetId| id.domain.is_empty() || id.domain == "ai.onnx";
    let Some(id) = model.opset_import.iter().find(own) else {
        if !model.opset_import.is_empty() {
            // Its nodes belong to others, and will be named.
            return Ok(*OPSETS.start());
        }
        return Err(
            "it is no ONNX file, or not a whole one: it does not say the version of its operators"
                .to_owned()
                .into(),
        );
    };
    if !OPSETS.contains(&id.version) {
        return Err(format!(
            "it has operators of version {}; versions {} to {} are read",
            id.version,
            OPSETS.start(),
            OPSETS.end()
        )
        .into());
    }
    Ok(id.version)
}

fn port(info: &proto::ValueInfo) -> Result<Port, Fault> {
    let tensor = info
        .r#type
        .as_ref()
        .and_then(|kind| kind.tensor_type.as_ref());
    let Some(tensor) = tensor else {
        return Err(format!("it takes an input {:?} that is no tensor", info.name).into());
    };
    let dims = tensor.shape.iter().flat_map(|shape| &shape.dim);
    Ok(Port {
        name: info.name.clone(),
        dims: dims
            .map(|dim| {
                dim.dim_value
                    .and_then(|dim| usize::try_from(dim).ok())
                    .filter(|&dim| dim > 0)
            })
            .collect(),
        element: match tensor.elem_type {
            data_type::FLOAT | data_type::FLOAT16 | data_type::DOUBLE | data_type::BFLOAT16 => {
                Element::Float
            }
            data_type::BOOL => Element::Bool,
            _ => Element::Int,
        },
    })
}

/// A node's name and what it does, for a person.
fn label(node: &proto::Node, index: usize) -> String {
    let made = node.output.iter().find(|name| !name.is_empty());
    match (&node.name, made) {
        (name, _) if !name.is_empty() => format!("node {name:?} ({})", node.op_type),
        (_, Some(made)) => format!("the node that makes {made:?} ({})", node.op_type),
        _ => format!("node {index} ({})", node.op_type),
    }
}

/// The nodes that lead to the outputs, in an order in which each finds its inputs ready.
fn sorted(
    nodes: Vec<proto::Node>,
    names: &mut Names,
    given: &HashSet<usize>,
    outputs: &[(String, usize)],
) -> Result<Vec<Node>, Fault> {
    let mut makers: HashMap<usize, usize> = HashMap::new();
    let mut links = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let link = [names.list(&node.input), names.list(&node.output)];
        for (slot, &made) in link[1].iter().enumerate() {
            let Some(made) = made else { continue };
            if given.contains(&made) || makers.insert(made, index).is_some() {
                return Err(format!(
                    "{} makes {:?}, which is there already",
                    label(node, index),
                    node.output[slot]
                )
                .into());
            }
        }
        links.push(link);
    }
    let mut order = Vec::new();
    let mut states = vec![State::New; nodes.len()];
    for (name, number) in outputs {
        if !given.contains(number) && !makers.contains_key(number) {
            return Err(format!("nothing in it makes {name:?}").into());
        }
        if let Some(&maker) = makers.get(number) {
            visit(
                maker,
                &nodes,
                &links,
                &makers,
                given,
                &mut states,
                &mut order,
            )?;
        }
    }
    let mut nodes: Vec<Option<proto::Node>> = nodes.into_iter().map(Some).collect();
    let mut links: Vec<_> = links.into_iter().map(Some).collect();
    let mut sorted = Vec::with_capacity(order.len());
    for index in order {
        let node = nodes[index].take().expect("a node is visited once");
        let [inputs, outputs] = links[index].take().expect("a node is visited once");
        sorted.push(Node {
            index,
            label: label(&node, index),
            operation: operation(&node, index)?,
            inputs,
            outputs,
            attributes: node.attribute,
        });
    }
    Ok(sorted)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// Its inputs are being visited.
    Open,
    Done,
}

/// Puts a node behind all that it needs. A stack of its own: a file may chain more nodes than the program's has room
/// for.
fn visit(
    root: usize,
    nodes: &[proto::Node],
    links: &[[Vec<Option<usize>>; 2]],
    makers: &HashMap<usize, usize>,
    given: &HashSet<usize>,
    states: &mut [State],
    order: &mut Vec<usize>,
) -> Result<(), Fault> {
    let mut stack = vec![root];
    while let Some(&index) = stack.last() {
        if states[index] != State::New {
            stack.pop();
            if states[index] == State::Open {
                states[index] = State::Done;
                order.push(index);
            }
            continue;
        }
        states[index] = State::Open;
        for (slot, input) in links[index][0].iter().enumerate() {
            let Some(input) = input.filter(|input| !given.contains(input)) else {
                continue;
            };
            let Some(&maker) = makers.get(&input) else {
                return Err(format!(
                    "{} takes {:?}, which nothing makes",
                    label(&nodes[index], index),
                    nodes[index].input[slot]
                )
                .into());
            };
            match states[maker] {
                State::New => stack.push(maker),
                State::Open => {
                    return Err(format!(
                        "{} waits for its own result: the graph runs in a circle",
                        label(&nodes[maker], maker)
                    )
                    .into());
                }
                State::Done => {}
            }
        }
    }
    Ok(())
}

fn operation(node: &proto::Node, index: usize) -> Result<Operation, Fault> {
    let own = node.domain.is_empty() || node.domain == "ai.onnx";
    let found = own.then(|| operators::find(&node.op_type)).flatten();
    found.ok_or_else(|| {
        let of = if own {
            String::new()
        } else {
            format!(" of {}", node.domain)
        };
        Fault::Graph(format!(
            "{} does what is not known here: {}{of}",
            label(node, index),
            node.op_type
        ))
    })
}
