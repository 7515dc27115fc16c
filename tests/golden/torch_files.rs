//! What PyTorch writes is read, in every kind of file that it makes, and nothing in one is run.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{collections::BTreeMap, fs, rc::Rc};

use guidestar::{
    models::{Kind, Parameters, Random},
    tensor::Device,
    weights::{Memory, tensors::Tensors, torch_file},
};
use pollster::block_on;

use crate::chance::chance;

fn bytes(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/torch");
    fs::read(format!("{folder}/{name}")).unwrap()
}

/// Tensors by their names: shapes and numbers.
type Named = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The tensors of a file. Counters are left out.
fn read(bytes: Vec<u8>) -> guidestar::Result<Named> {
    let source = Rc::new(Memory::new("net.pth", bytes));
    let header = block_on(torch_file::header(&*source))?;
    let mut tensors = Tensors::default();
    let kept = |name: &str| (!name.ends_with("num_batches_tracked")).then(|| name.to_owned());
    tensors.add(source, &header, kept)?;
    let mut found = BTreeMap::new();
    for stored in tensors.stored() {
        let mut numbers = Vec::new();
        let mut take = |piece: &[f32]| {
            numbers.extend_from_slice(piece);
            Ok(())
        };
        block_on(tensors.reader().read(stored, &mut take))?;
        found.insert(stored.name.clone(), (stored.entry.shape.clone(), numbers));
    }
    Ok(found)
}

/// What `make_torch.py` draws.
fn drawn() -> Named {
    let device = Device::cpu().unwrap();
    let mut random = Random::new(&device);
    let conv = Kind::Conv {
        outputs: 4,
        inputs: 3,
        kernel: [3, 3],
    };
    let linear = Kind::Linear {
        outputs: 2,
        inputs: 4,
    };
    let mut wanted = vec![
        ("visual.conv.weight", conv, &[3, 2, 0, 1][..]),
        ("project.weight", linear, &[1, 0]),
        ("project.bias", Kind::Vector(2), &[0]),
    ];
    for name in [
        "visual.bn.weight",
        "visual.bn.bias",
        "visual.bn.running_mean",
        "visual.bn.running_var",
    ] {
        wanted.push((name, Kind::Vector(4), &[0]));
    }
    let one = |(name, kind, order): (&str, Kind, &[usize])| {
        let laid_out = random.take(name, kind).unwrap();
        let numbers = block_on(laid_out.permute(order).read()).unwrap();
        (name.to_owned(), (kind.stored(), numbers))
    };
    wanted.into_iter().map(one).collect()
}

#[test]
fn every_kind_of_file_holds_what_was_drawn() {
    let wanted = drawn();
    for name in ["zip.pth", "old.pt", "wrapped.pth", "compiled.pt"] {
        assert_eq!(read(bytes(name)).unwrap(), wanted, "{name}");
    }
    let half = read(bytes("half.pth")).unwrap();
    assert_eq!(
        half.keys().collect::<Vec<_>>(),
        wanted.keys().collect::<Vec<_>>()
    );
    for (name, (shape, numbers)) in &wanted {
        assert_eq!(&half[name].0, shape);
        for (found, wanted) in half[name].1.iter().zip(numbers) {
            assert!(
                (found - wanted).abs() < 1e-3,
                "{name}: {found} for {wanted}"
            );
        }
    }
    let shared = read(bytes("shared.pth")).unwrap();
    assert_eq!(shared["first"], (vec![4], vec![0.0, 1.0, 2.0, 3.0]));
    assert_eq!(shared["rest"], (vec![2, 2], vec![4.0, 5.0, 6.0, 7.0]));
}

#[test]
fn tensors_that_lie_in_another_order_are_read_in_their_own() {
    let found = read(bytes("turned.pth")).unwrap();
    let turned = vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0];
    assert_eq!(found["turned"], (vec![3, 2], turned));
    let mut conv = Vec::new();
    for output in 0..4 {
        for input in 0..3 {
            for [row, column] in [[0, 0], [0, 1], [1, 0], [1, 1]] {
                let at: u16 = ((column * 2 + row) * 3 + input) * 4 + output;
                conv.push(f32::from(at));
            }
        }
    }
    assert_eq!(found["conv"], (vec![4, 3, 2, 2], conv));
}

#[test]
fn files_that_are_not_whole_are_refused_wherever_they_end() {
    for name in ["zip.pth", "old.pt", "compiled.pt"] {
        let whole = bytes(name);
        for length in (2..whole.len()).step_by(7) {
            let said = read(whole[..length].to_vec()).unwrap_err().to_string();
            assert!(
                said.starts_with("net.pth: "),
                "{name}, {length} bytes: {said}"
            );
        }
    }
}

#[test]
fn what_is_odd_is_named_and_nothing_makes_the_program_fall_over() {
    let said = |bytes: Vec<u8>| read(bytes).unwrap_err().to_string();
    let gaps = said(bytes("gaps.pth"));
    assert!(gaps.contains("\"gaps\" does not lie in rows"), "{gaps}");
    let program = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.".to_vec();
    assert!(said(program).contains("none of PyTorch's weights"));
    let mut next = chance();
    let mut refused = 0;
    for name in ["zip.pth", "old.pt"] {
        let whole = bytes(name);
        for _ in 0..2000 {
            let mut bytes = whole.clone();
            for _ in 0..=next() % 3 {
                let at = 2 + next() % (bytes.len() - 2);
                bytes[at] = next() as u8;
            }
            refused += usize::from(read(bytes).is_err());
        }
    }
    assert!(refused > 300, "{refused} refusals");
}

/// A file of the older kind around a pickle.
fn around(pickle: &[u8]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let parts: [&[u8]; 5] = [magic, b"K\x01.", b"}.", pickle, b"]."];
    parts.concat()
}

#[test]
fn what_holds_itself_or_the_same_over_and_over_is_read_without_falling_over() {
    // A pair of the pair before, thirty times: a thousand million values if each were one of its own.
    let again = |code: &[u8]| [b"(Nt".to_vec(), code.repeat(30), b".".to_vec()].concat();
    let pairs = again(b"q\x00h\x00\x86");
    // A list in a list, a million deep.
    let mut deep = b"]".repeat(1_000_000);
    deep.extend(b"a".repeat(999_999));
    deep.push(b'.');
    // A list that holds itself.
    let own = b"]q\x00h\x00a.".to_vec();
    for pickle in [pairs, deep, own] {
        let said = read(around(&pickle)).unwrap_err().to_string();
        assert!(said.contains("it holds no tensors"), "{said}");
    }
    // Twice the same dictionary in a dictionary, forty times over, and one in itself.
    let twice = b"q\x00}(X\x01\x00\x00\x00ah\x00X\x01\x00\x00\x00bh\x00u";
    let twice = [b"}".to_vec(), twice.repeat(40), b".".to_vec()].concat();
    let own = b"}q\x00X\x01\x00\x00\x00ah\x00s.".to_vec();
    for pickle in [twice, own] {
        let said = read(around(&pickle)).unwrap_err().to_string();
        assert!(said.contains("nested without an end"), "{said}");
    }
}
