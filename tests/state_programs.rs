//! Random programs: a run that is interrupted by snapshots and continues in other instances has the same
//! output as a run that is not interrupted.
//!
//! Each program changes everything that can be the state of a guest (memory, also grown, and globals of
//! all types, hidden ones among them) and returns a hash of all of it from each call.

use std::fs;

use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{RequestMessage, ResponseMessage};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::{FAIL, Host, Setup, point, receive};

const PROGRAMS: u64 = 40;
const CALLS: usize = 24;

/// Writes programs whose addresses are all inside of the memory, and that never trap.
struct Author {
    random: StdRng,
    depth: usize,
}

impl Author {
    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.random.random_range(0..of.len())]
    }

    fn i32(&mut self) -> String {
        self.depth += 1;
        let deep = self.depth > 4;
        let text = match self.random.random_range(0..if deep { 4 } else { 9 }) {
            0 => format!("(i32.const {})", self.random.random::<i32>()),
            1 => "(global.get $i)".to_owned(),
            2 => "(local.get $in)".to_owned(),
            3 => "(global.get $calls)".to_owned(),
            4 => format!("(i32.load {})", self.address()),
            5 => format!("(i32.wrap_i64 {})", self.i64()),
            6 => format!("(i32.trunc_sat_f64_s {})", self.f64()),
            _ => {
                let op = self.pick(&["add", "sub", "mul", "xor", "rotl", "shr_u"]);
                format!("(i32.{op} {} {})", self.i32(), self.i32())
            }
        };
        self.depth -= 1;
        text
    }

    fn i64(&mut self) -> String {
        self.depth += 1;
        let text = match self.random.random_range(0..if self.depth > 4 { 2 } else { 5 }) {
            0 => format!("(i64.const {})", self.random.random::<i64>()),
            1 => "(global.get $l)".to_owned(),
            2 => format!("(i64.load {})", self.address()),
            3 => format!("(i64x2.extract_lane 1 {})", self.v128()),
            _ => {
                let op = self.pick(&["add", "sub", "mul", "xor", "rotl"]);
                format!("(i64.{op} {} {})", self.i64(), self.i64())
            }
        };
        self.depth -= 1;
        text
    }

    fn f64(&mut self) -> String {
        self.depth += 1;
        let text = match self.random.random_range(0..if self.depth > 4 { 2 } else { 5 }) {
            0 => format!("(f64.const {:?})", self.random.random::<f64>()),
            1 => "(global.get $d)".to_owned(),
            2 => format!("(f64.load {})", self.address()),
            3 => format!("(f64.promote_f32 {})", self.f32()),
            _ => {
                let op = self.pick(&["add", "sub", "mul", "div", "min"]);
                format!("(f64.{op} {} {})", self.f64(), self.f64())
            }
        };
        self.depth -= 1;
        text
    }

    fn f32(&mut self) -> String {
        self.depth += 1;
        let text = match self.random.random_range(0..if self.depth > 4 { 2 } else { 3 }) {
            0 => format!("(f32.const {:?})", self.random.random::<f32>()),
            1 => "(global.get $f)".to_owned(),
            _ => format!("(f32.demote_f64 {})", self.f64()),
        };
        self.depth -= 1;
        text
    }

    fn v128(&mut self) -> String {
        match self.random.random_range(0..3) {
            0 => "(global.get $v)".to_owned(),
            1 => format!("(v128.load {})", self.address()),
            _ => format!("(i64x2.add (global.get $v) (i64x2.splat {}))", self.i64()),
        }
    }

    /// An address behind the first page, with room for 64 bytes.
    fn address(&mut self) -> String {
        let index = if self.depth > 3 { "(global.get $i)".to_owned() } else { self.i32() };
        let most = "(i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 65600))";
        format!("(i32.add (i32.const 65536) (i32.rem_u {index} {most}))")
    }

    fn statement(&mut self) -> String {
        match self.random.random_range(0..14) {
            0 => format!("(global.set $i {})", self.i32()),
            1 => format!("(global.set $l {})", self.i64()),
            2 => format!("(global.set $f {})", self.f32()),
            3 => format!("(global.set $d {})", self.f64()),
            4 => format!("(global.set $v {})", self.v128()),
            5 => {
                let store = self.pick(&["i32.store8", "i32.store16", "i32.store"]);
                format!("({store} {} {})", self.address(), self.i32())
            }
            6 => format!("(i64.store {} {})", self.address(), self.i64()),
            7 => format!("(f64.store {} {})", self.address(), self.f64()),
            8 => format!("(v128.store {} {})", self.address(), self.v128()),
            9 => format!("(memory.init $passive {} (i32.const 3) (i32.const 20))", self.address()),
            10 => format!("(memory.fill {} {} (i32.const 60))", self.address(), self.i32()),
            11 => format!("(memory.copy {} {} (i32.const 64))", self.address(), self.address()),
            12 => {
                let every = self.random.random_range(2..9);
                format!(
                    "(if (i32.eqz (i32.rem_u (global.get $calls) (i32.const {every}))) (then (drop (memory.grow (i32.const 1)))))"
                )
            }
            _ => format!("(call_indirect (type $change) (i32.and {} (i32.const 3)))", self.i32()),
        }
    }

    fn statements(&mut self, most: usize) -> String {
        let count = self.random.random_range(1..=most);
        (0..count).map(|_| self.statement()).collect::<Vec<_>>().join("\n")
    }

    /// A whole module as WAT.
    fn program(&mut self) -> String {
        let changes: Vec<_> = (0..4)
            .map(|i| {
                let set = match i {
                    0 => format!("(global.set $i {})", self.i32()),
                    1 => format!("(global.set $l {})", self.i64()),
                    2 => format!("(global.set $d {})", self.f64()),
                    _ => format!("(i32.store {} {})", self.address(), self.i32()),
                };
                format!("(func $change{i} (type $change) (local $in i32) {set})\n")
            })
            .collect();
        let changes = changes.concat();
        let exported = self.pick(&["(export \"shown\")", ""]);
        let (body, looped) = (self.statements(8), self.statements(3));
        let rounds = self.random.random_range(1..40);
        format!(
            r#"(module
  (type $change (func))
  (memory (export "memory") 3 24)
  ;; InitResponse, and a frame: Response {{ point {{ name, fieldsInt {{ "n": 1 }} }} }}.
  (data (i32.const 0) "\08\01")
  (data (i32.const 16) "\1c\8a\01\19\12\10................\4a\05\0a\01n\10\01")
  (data (i32.const 100000) "a part of the image")
  (data $passive "what can be copied from here at any time")
  (table funcref (elem $change0 $change1 $change2 $change3))
  (global $calls (mut i32) (i32.const 0))
  (global $i {exported} (mut i32) (i32.const 7))
  (global $l (mut i64) (i64.const -1))
  (global $f (mut f32) (f32.const 0.5))
  (global $d (mut f64) (f64.const 1.5))
  (global $v (mut v128) (v128.const i64x2 1 2))
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_finish") (result i64) (i64.const 0))
  {changes}
  (func $hash (result i64) (local $at i32) (local $hash i64)
    (local.set $hash (i64.xor (i64.extend_i32_u (global.get $i)) (global.get $l)))
    (local.set $hash (i64.xor (local.get $hash) (i64.reinterpret_f64 (global.get $d))))
    (local.set $hash (i64.add (local.get $hash) (i64.extend_i32_u (i32.reinterpret_f32 (global.get $f)))))
    (local.set $hash (i64.add (local.get $hash) (i64x2.extract_lane 0 (global.get $v))))
    (local.set $hash (i64.xor (local.get $hash) (i64x2.extract_lane 1 (global.get $v))))
    (local.set $at (i32.const 65536))
    (loop $next
      (local.set $hash (i64.mul (i64.const 1099511628211) (i64.xor (local.get $hash) (i64.load (local.get $at)))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (i32.shl (memory.size) (i32.const 16)))))
    (local.get $hash))
  (func (export "udf_process") (param $ptr i32) (param $len i32) (result i64)
    (local $in i32) (local $k i32) (local $hash i64)
    (local.set $in (i32.load8_u (i32.add (local.get $ptr) (i32.sub (local.get $len) (i32.const 1)))))
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    {body}
    (local.set $k (i32.const {rounds}))
    (loop $again
      {looped}
      (br_if $again (local.tee $k (i32.sub (local.get $k) (i32.const 1)))))
    ;; As sixteen letters, for it has to be text.
    (local.set $hash (call $hash))
    (local.set $k (i32.const 0))
    (loop $letter
      (i32.store8 offset=22 (local.get $k)
        (i32.add (i32.const 97) (i32.and (i32.wrap_i64 (local.get $hash)) (i32.const 15))))
      (local.set $hash (i64.shr_u (local.get $hash) (i64.const 4)))
      (br_if $letter (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 16))))
    (i64.const 0x100000001d)) ;; (16 << 32) | 29
)"#
        )
    }
}

/// Sends a point; returns the hash that comes back.
fn call(client: &mut Client, i: usize) -> String {
    client.send(RequestMessage::Point(point("a", 1, i as f64))).unwrap();
    match receive(client) {
        Some(ResponseMessage::Point(point)) => point.name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn random_programs_continue_identically_after_restore() {
    let setup = Setup::new(FAIL);
    let mut programs = Vec::new();
    for seed in 0..PROGRAMS {
        let wat = Author { random: StdRng::seed_from_u64(seed), depth: 0 }.program();
        let wasm = wat::parse_str(&wat).unwrap_or_else(|e| panic!("{e}\n{wat}"));
        fs::write(setup.plugin(&format!("p{seed}")), wasm).unwrap();
        programs.push(wat);
    }
    let host = setup.serve();
    let mut different = 0;
    for (seed, wat) in programs.iter().enumerate() {
        different += usize::from(check(&host, seed, wat));
    }
    // A program that does not change its state would test nothing.
    assert!(different > PROGRAMS as usize * 9 / 10, "only {different} programs change their state");
}

/// Compares an interrupted run with one that is not; returns whether the program changes its state.
fn check(host: &Host, seed: usize, wat: &str) -> bool {
    let mut random = StdRng::seed_from_u64(!(seed as u64));
    let name = format!("p{seed}");
    let mut whole = host.start(&name, &[]);
    let expected: Vec<String> = (0..CALLS).map(|i| call(&mut whole, i)).collect();
    let mut client = host.start(&name, &[]);
    for (i, expected) in expected.iter().enumerate() {
        if random.random_range(0..4) == 0 {
            let snapshot = client.snapshot(&mut Vec::new()).unwrap();
            client = host.start(&name, &[]);
            assert!(client.restore(snapshot).unwrap().success);
        }
        assert_eq!(&call(&mut client, i), expected, "call {i} of program {seed}:\n{wat}");
    }
    expected[0] != expected[CALLS - 1]
}
