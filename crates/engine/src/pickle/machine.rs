//! The stack machine: every opcode of protocols 0 to 5, and not one call.

use std::collections::HashMap;

use super::cursor::{Cursor, integer, raw_unicode_escape};
use super::{Graph, Id, MAX_DEPTH, Node, PickleError, RawArray, RawContent, Span, joblib};

/// Reads one pickle from the start of `data`; what follows it is not looked at.
pub(crate) fn load(data: &[u8]) -> Result<Graph<'_>, PickleError> {
    let graph = Graph::new(data);
    let mut machine = Machine { cursor: Cursor { data, position: 0 }, graph, depth: 0 };
    machine.graph.root = machine.run()?;
    Ok(machine.graph)
}

/// As [`load`], of a pickle that need not be sound: what was read before the damage, and what that is.
pub(crate) fn scan(data: &[u8]) -> (Graph<'_>, Option<PickleError>) {
    let graph = Graph::new(data);
    let mut machine = Machine { cursor: Cursor { data, position: 0 }, graph, depth: 0 };
    match machine.run() {
        Ok(root) => {
            machine.graph.root = root;
            (machine.graph, None)
        }
        Err(problem) => {
            // there is a node to be the root, whatever was read
            machine.graph.root = machine.add(Node::None).unwrap_or(Id(0));
            (machine.graph, Some(problem))
        }
    }
}

struct Machine<'a> {
    cursor: Cursor<'a>,
    graph: Graph<'a>,
    /// How many pickles this one is inside of.
    depth: usize,
}

/// What belongs to one pickle, not to those nested in it.
#[derive(Default)]
struct Frame {
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: Memo,
    /// Where the opcode in hand starts.
    offset: usize,
}

/// Python numbers what it remembers from zero up; other orders are legal but rare.
#[derive(Default)]
struct Memo {
    dense: Vec<Id>,
    sparse: HashMap<u32, Id>,
}

impl Memo {
    fn put(&mut self, index: u32, id: Id) {
        match (index as usize).cmp(&self.dense.len()) {
            std::cmp::Ordering::Less => self.dense[index as usize] = id,
            std::cmp::Ordering::Equal => self.dense.push(id),
            std::cmp::Ordering::Greater => drop(self.sparse.insert(index, id)),
        }
    }

    fn push(&mut self, id: Id) {
        let index = self.dense.len() + self.sparse.len();
        // more entries than nodes is impossible, and those are below 2^32
        self.put(u32::try_from(index).unwrap_or(u32::MAX), id);
    }

    fn get(&self, index: u32) -> Option<Id> {
        self.dense.get(index as usize).or_else(|| self.sparse.get(&index)).copied()
    }
}

impl Frame {
    fn problem(&self, problem: &'static str) -> PickleError {
        PickleError::Stack { offset: self.offset, problem }
    }

    /// The lowest height the stack may be popped to.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        if self.stack.len() <= self.floor() {
            return Err(self.problem("nothing on the stack"));
        }
        self.stack.pop().ok_or_else(|| self.problem("nothing on the stack"))
    }

    fn top(&self) -> Result<Id, PickleError> {
        if self.stack.len() <= self.floor() {
            return Err(self.problem("nothing on the stack"));
        }
        self.stack.last().copied().ok_or_else(|| self.problem("nothing on the stack"))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| self.problem("no mark on the stack"))?;
        Ok(self.stack.split_off(mark))
    }

    fn pop_pairs(&mut self) -> Result<Vec<(Id, Id)>, PickleError> {
        let flat = self.pop_to_mark()?;
        if flat.len() % 2 == 1 {
            return Err(self.problem("a key without a value"));
        }
        Ok(flat.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
    }

    fn remembered(&self, index: u32) -> Result<Id, PickleError> {
        self.memo.get(index).ok_or_else(|| self.problem("nothing remembered under its number"))
    }
}

impl Machine<'_> {
    /// Runs to the STOP of one pickle and returns what it made.
    fn run(&mut self) -> Result<Id, PickleError> {
        if self.depth > MAX_DEPTH {
            return Err(PickleError::Array { offset: self.cursor.position, problem: "is nested too deep" });
        }
        let mut frame = Frame::default();
        loop {
            frame.offset = self.cursor.position;
            let opcode = self.cursor.u8()?;
            if opcode == b'.' {
                return frame.pop();
            }
            let is_known = self.value(opcode, &mut frame)?
                || self.container(opcode, &mut frame)?
                || self.stack_and_memo(opcode, &mut frame)?
                || self.object(opcode, &mut frame)?;
            if !is_known {
                return Err(PickleError::Opcode { offset: frame.offset, opcode });
            }
        }
    }

    fn add(&mut self, node: Node) -> Result<Id, PickleError> {
        self.graph.add(node)
    }

    fn push(&mut self, frame: &mut Frame, node: Node) -> Result<bool, PickleError> {
        let id = self.add(node)?;
        frame.stack.push(id);
        Ok(true)
    }

    /// Numbers, strings, bytes, constants.
    fn value(&mut self, opcode: u8, frame: &mut Frame) -> Result<bool, PickleError> {
        let node = match opcode {
            b'N' => Node::None,
            0x88 => Node::Bool(true),
            0x89 => Node::Bool(false),
            b'J' => Node::Int(i64::from(i32::from_le_bytes(self.cursor.array()?))),
            b'K' => Node::Int(i64::from(self.cursor.u8()?)),
            b'M' => Node::Int(i64::from(self.cursor.u16()?)),
            0x8a => {
                let span = self.cursor.sized::<1>()?;
                integer(self.cursor.bytes(span)).map_or(Node::BigInt, Node::Int)
            }
            0x8b => {
                let span = self.cursor.sized::<4>()?;
                integer(self.cursor.bytes(span)).map_or(Node::BigInt, Node::Int)
            }
            b'I' => self.decimal(frame)?,
            b'L' => self.decimal(frame)?,
            b'F' => Node::Float(self.parsed_line(frame)?),
            b'G' => Node::Float(f64::from_be_bytes(self.cursor.array()?)),
            b'X' => Node::Str(self.cursor.sized::<4>()?),
            0x8c => Node::Str(self.cursor.sized::<1>()?),
            0x8d => Node::Str(self.cursor.sized::<8>()?),
            b'V' => {
                let span = self.cursor.line()?;
                let text = raw_unicode_escape(self.cursor.bytes(span));
                Node::OwnedStr(text.ok_or_else(|| frame.problem("a string with a broken escape"))?.into())
            }
            b'B' => Node::Bytes(self.cursor.sized::<4>()?),
            b'C' => Node::Bytes(self.cursor.sized::<1>()?),
            0x8e | 0x96 => Node::Bytes(self.cursor.sized::<8>()?),
            // byte strings of Python 2, which no supported scikit-learn writes
            b'T' => Node::Bytes(self.cursor.sized::<4>()?),
            b'U' => Node::Bytes(self.cursor.sized::<1>()?),
            b'S' => Node::Bytes(self.cursor.line()?),
            _ => return Ok(false),
        };
        self.push(frame, node)
    }

    /// The decimal integers of protocol 0: `12`, `12L`, and the booleans `01` and `00`.
    fn decimal(&mut self, frame: &Frame) -> Result<Node, PickleError> {
        let span = self.cursor.line()?;
        let line = self.cursor.bytes(span);
        match line {
            b"01" => return Ok(Node::Bool(true)),
            b"00" => return Ok(Node::Bool(false)),
            _ => {}
        }
        let digits = line.strip_suffix(b"L").unwrap_or(line);
        let is_number = digits.strip_prefix(b"-").unwrap_or(digits).iter().all(u8::is_ascii_digit);
        if digits.is_empty() || !is_number {
            return Err(frame.problem("an integer that is none"));
        }
        let parsed = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        Ok(parsed.map_or(Node::BigInt, Node::Int))
    }

    fn parsed_line(&mut self, frame: &Frame) -> Result<f64, PickleError> {
        let span = self.cursor.line()?;
        let text = std::str::from_utf8(self.cursor.bytes(span)).ok();
        text.and_then(|text| text.trim().parse().ok()).ok_or_else(|| frame.problem("a float that is none"))
    }

    /// Lists, tuples, sets, dictionaries.
    fn container(&mut self, opcode: u8, frame: &mut Frame) -> Result<bool, PickleError> {
        match opcode {
            b']' => {
                let list = self.graph.list(Vec::new())?;
                self.push(frame, list)
            }
            b'l' => {
                let list = self.graph.list(frame.pop_to_mark()?)?;
                self.push(frame, list)
            }
            b')' => {
                let tuple = self.graph.tuple(&[])?;
                self.push(frame, tuple)
            }
            b't' => {
                let tuple = self.graph.tuple(&frame.pop_to_mark()?)?;
                self.push(frame, tuple)
            }
            0x85..=0x87 => {
                let mut items = [Id(0); 3];
                let items = &mut items[..usize::from(opcode - 0x84)];
                for item in items.iter_mut().rev() {
                    *item = frame.pop()?;
                }
                let tuple = self.graph.tuple(items)?;
                self.push(frame, tuple)
            }
            0x8f => {
                let set = self.graph.set(Vec::new())?;
                self.push(frame, set)
            }
            0x91 => {
                let set = self.graph.set(frame.pop_to_mark()?)?;
                self.push(frame, set)
            }
            b'}' => {
                let dictionary = self.graph.dictionary(Vec::new())?;
                self.push(frame, dictionary)
            }
            b'd' => {
                let dictionary = self.graph.dictionary(frame.pop_pairs()?)?;
                self.push(frame, dictionary)
            }
            b'a' => {
                let item = frame.pop()?;
                self.append(frame, [item])
            }
            b'e' | 0x90 => {
                let items = frame.pop_to_mark()?;
                self.append(frame, items)
            }
            b's' => {
                let value = frame.pop()?;
                let key = frame.pop()?;
                self.set(frame, [(key, value)])
            }
            b'u' => {
                let pairs = frame.pop_pairs()?;
                self.set(frame, pairs)
            }
            _ => Ok(false),
        }
    }

    fn append(&mut self, frame: &Frame, new: impl IntoIterator<Item = Id>) -> Result<bool, PickleError> {
        let target = frame.top()?;
        if let Node::List(place) | Node::Set(place) = self.graph.nodes[target.0 as usize] {
            self.graph.lists[place as usize].extend(new);
            return Ok(true);
        }
        let object = self.graph.object_mut(target)?.ok_or_else(|| frame.problem("nothing to append to"))?;
        object.items.extend(new);
        Ok(true)
    }

    fn set(&mut self, frame: &Frame, new: impl IntoIterator<Item = (Id, Id)>) -> Result<bool, PickleError> {
        let target = frame.top()?;
        if let Node::Dict(place) = self.graph.nodes[target.0 as usize] {
            self.graph.dictionaries[place as usize].extend(new);
            return Ok(true);
        }
        let object =
            self.graph.object_mut(target)?.ok_or_else(|| frame.problem("nothing to set items of"))?;
        object.pairs.extend(new);
        Ok(true)
    }

    /// Marks, the memo, framing.
    fn stack_and_memo(&mut self, opcode: u8, frame: &mut Frame) -> Result<bool, PickleError> {
        match opcode {
            b'(' => frame.marks.push(frame.stack.len()),
            b'0' if frame.stack.len() == frame.floor() && !frame.marks.is_empty() => drop(frame.marks.pop()),
            b'0' => drop(frame.pop()?),
            b'1' => drop(frame.pop_to_mark()?),
            b'2' => frame.stack.push(frame.top()?),
            0x94 => frame.memo.push(frame.top()?),
            b'q' => frame.memo.put(u32::from(self.cursor.u8()?), frame.top()?),
            b'r' => frame.memo.put(self.cursor.u32()?, frame.top()?),
            b'p' => frame.memo.put(self.index_line(frame)?, frame.top()?),
            b'h' => frame.stack.push(frame.remembered(u32::from(self.cursor.u8()?))?),
            b'j' => frame.stack.push(frame.remembered(self.cursor.u32()?)?),
            b'g' => frame.stack.push(frame.remembered(self.index_line(frame)?)?),
            0x80 => match self.cursor.u8()? {
                0..=5 => {}
                protocol => return Err(PickleError::Protocol { protocol }),
            },
            // a frame only tells how far to read ahead
            0x95 => drop(self.cursor.take(8)?),
            // the object stays read-only or not: no difference to us
            0x98 => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn index_line(&mut self, frame: &Frame) -> Result<u32, PickleError> {
        let span = self.cursor.line()?;
        let text = std::str::from_utf8(self.cursor.bytes(span)).ok();
        text.and_then(|text| text.parse().ok()).ok_or_else(|| frame.problem("a memo number that is none"))
    }

    /// Names, and calls that are not made.
    fn object(&mut self, opcode: u8, frame: &mut Frame) -> Result<bool, PickleError> {
        let external = |what| Err(PickleError::External { offset: frame.offset, what });
        match opcode {
            b'c' => {
                let global = self.global_lines()?;
                frame.stack.push(global);
                Ok(true)
            }
            0x93 => {
                let name = frame.pop()?;
                let module = frame.pop()?;
                self.push(frame, Node::Global(module, name))
            }
            b'R' | 0x81 => {
                let arguments = frame.pop()?;
                let callable = frame.pop()?;
                self.call(frame, callable, arguments)
            }
            0x92 => {
                frame.pop()?;
                let arguments = frame.pop()?;
                let callable = frame.pop()?;
                self.call(frame, callable, arguments)
            }
            b'i' => {
                let callable = self.global_lines()?;
                let arguments = frame.pop_to_mark()?;
                let arguments = self.graph.tuple(&arguments)?;
                let arguments = self.add(arguments)?;
                self.call(frame, callable, arguments)
            }
            b'o' => {
                let mut arguments = frame.pop_to_mark()?;
                if arguments.is_empty() {
                    return Err(frame.problem("no class to instantiate"));
                }
                let callable = arguments.remove(0);
                let arguments = self.graph.tuple(&arguments)?;
                let arguments = self.add(arguments)?;
                self.call(frame, callable, arguments)
            }
            b'b' => {
                let state = frame.pop()?;
                self.build(frame, state)
            }
            b'P' | b'Q' => external("a persistent object"),
            0x82..=0x84 => external("a registered extension"),
            0x97 => external("an out-of-band buffer"),
            _ => Ok(false),
        }
    }

    fn global_lines(&mut self) -> Result<Id, PickleError> {
        let (module, name): (Span, Span) = (self.cursor.line()?, self.cursor.line()?);
        let module = self.add(Node::Str(module))?;
        let name = self.add(Node::Str(name))?;
        self.add(Node::Global(module, name))
    }

    fn call(&mut self, frame: &mut Frame, callable: Id, arguments: Id) -> Result<bool, PickleError> {
        self.push(frame, Node::Call(callable, arguments))
    }

    /// Gives an object its state. A joblib wrapper is followed by its array.
    fn build(&mut self, frame: &Frame, state: Id) -> Result<bool, PickleError> {
        let target = frame.top()?;
        let object =
            self.graph.object_mut(target)?.ok_or_else(|| frame.problem("nothing to give a state to"))?;
        if object.state.replace(state).is_some() {
            return Err(frame.problem("an object that has its state already"));
        }
        if !joblib::is_wrapper(&self.graph, target) {
            return Ok(true);
        }
        let content = match joblib::content(&self.graph, state, &mut self.cursor)? {
            joblib::Content::Bytes(span) => RawContent::Bytes(span),
            joblib::Content::PickleFollows => {
                self.depth += 1;
                let pickled = self.run()?;
                self.depth -= 1;
                RawContent::Pickled(pickled)
            }
        };
        self.graph.nodes[target.0 as usize] = Node::Array(Box::new(RawArray { state, content }));
        Ok(true)
    }
}
