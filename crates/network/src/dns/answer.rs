//! What to say to a query.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{DNSClass, LowerName, Name, RData, Record, RecordType, rdata::TXT},
};

use super::zone::{Compiled, Node};

/// Without EDNS an answer by UDP has at most this many bytes (RFC 1035, 4.2.1).
const PLAIN_UDP_BYTES: u16 = 512;

/// More than this would be cut into fragments on many links (DNS flag day 2020).
const MAX_UDP_BYTES: u16 = 1232;

/// Aliases of aliases; a circle ends here.
const MAX_ALIASES: usize = 8;

/// What becomes of a query.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Not a query: answering could start an endless talk.
    Ignore,
    Answer(Box<Message>),
    /// An answer whose last alias leads out of the cluster.
    Follow(Box<Message>, Name, RecordType),
    /// Not about the cluster.
    Forward,
}

/// Decides about a packet.
pub(super) fn decide(zone: &Compiled, packet: &[u8]) -> Verdict {
    let Some(first) = packet.get(..12) else { return Verdict::Ignore };
    if first[2] & 0x80 != 0 {
        return Verdict::Ignore;
    }
    let id = u16::from_be_bytes([first[0], first[1]]);
    let Ok(query) = Message::from_vec(packet) else {
        return refuse(id, OpCode::Query, ResponseCode::FormErr);
    };
    if query.metadata.op_code != OpCode::Query {
        return refuse(id, query.metadata.op_code, ResponseCode::NotImp);
    }
    let [question] = query.queries.as_slice() else {
        return refuse(id, OpCode::Query, ResponseCode::FormErr);
    };
    if question.query_class() == DNSClass::CH {
        return refuse(id, OpCode::Query, ResponseCode::Refused);
    }
    let lower = LowerName::new(question.name());
    if !zone.has_authority(&lower) {
        return Verdict::Forward;
    }
    resolve(zone, &query, question, lower)
}

fn refuse(id: u16, op_code: OpCode, code: ResponseCode) -> Verdict {
    Verdict::Answer(Box::new(Message::error_msg(id, op_code, code)))
}

fn resolve(zone: &Compiled, query: &Message, question: &Query, mut name: LowerName) -> Verdict {
    let kind = question.query_type();
    let mut answer = respond_to(query, question);
    for _ in 0..MAX_ALIASES {
        if let Some(node) = zone.node(&name)
            && let Some((alias, target)) = &node.alias
        {
            answer.add_answer(alias.clone());
            if kind == RecordType::CNAME {
                return Verdict::Answer(Box::new(answer));
            }
            name = LowerName::new(target);
            if zone.has_authority(&name) {
                continue;
            }
            return Verdict::Follow(Box::new(answer), target.clone(), kind);
        }
        break;
    }
    let (records, additionals) = records(zone, &name, kind);
    if records.is_empty() {
        if answer.answers.is_empty() && !zone.exists(&name) && zone.pod_address(&name).is_none() {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        answer.add_authority(zone.authority());
    }
    // The name is given back as it was asked for, whatever its case (RFC 4343).
    let is_asked = LowerName::new(question.name()) == name;
    answer.add_answers(records.into_iter().map(|mut record| {
        if is_asked {
            record.name = question.name().clone();
        }
        record
    }));
    answer.add_additionals(additionals);
    Verdict::Answer(Box::new(answer))
}

fn records(zone: &Compiled, name: &LowerName, kind: RecordType) -> (Vec<Record>, Vec<Record>) {
    let wants = |asked: RecordType| kind == asked || kind == RecordType::ANY;
    let Some(node) = zone.node(name) else {
        let pod = zone.pod_address(name).filter(|_| wants(RecordType::A));
        return (pod.into_iter().collect(), Vec::new());
    };
    let mut list = Vec::new();
    let mut additionals = Vec::new();
    if wants(RecordType::A) {
        list.extend(in_turn(&node.addresses));
    }
    if wants(RecordType::SRV) {
        list.extend(in_turn(&node.services));
        additionals.extend(targets(zone, node));
    }
    if wants(RecordType::PTR) {
        list.extend(node.pointer.clone());
    }
    (list, additionals)
}

/// Starts with another record each time, for clients that take the first.
fn in_turn(records: &[Record]) -> impl Iterator<Item = Record> {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let start = TURN.fetch_add(1, Ordering::Relaxed).checked_rem(records.len()).unwrap_or(0);
    records[start..].iter().chain(&records[..start]).cloned()
}

/// Finds the addresses of a service's targets: they are asked for next.
fn targets(zone: &Compiled, node: &Node) -> Vec<Record> {
    let mut seen = std::collections::HashSet::new();
    let names = node.services.iter().filter_map(|record| match &record.data {
        RData::SRV(service) => Some(LowerName::new(&service.target)),
        _ => None,
    });
    names
        .filter(|name| seen.insert(name.clone()))
        .filter_map(|name| zone.node(&name))
        .flat_map(|node| node.addresses.iter().cloned())
        .collect()
}

fn respond_to(query: &Message, question: &Query) -> Message {
    let mut answer = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    answer.metadata.authoritative = true;
    answer.metadata.recursion_desired = query.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.add_query(question.clone());
    if query.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(MAX_UDP_BYTES);
        answer.set_edns(edns);
    }
    answer
}

/// Returns how many bytes the asker takes by UDP.
pub(super) fn udp_limit(packet: &[u8]) -> u16 {
    let edns = Message::from_vec(packet).ok().and_then(|query| query.edns);
    edns.map_or(PLAIN_UDP_BYTES, |edns| edns.max_payload().clamp(PLAIN_UDP_BYTES, MAX_UDP_BYTES))
}

/// Writes an answer in at most `limit` bytes: what does not fit is left out and said to be.
pub(super) fn encode(mut answer: Message, limit: usize) -> Option<Vec<u8>> {
    let mut bytes = answer.to_vec().ok()?;
    if bytes.len() > limit && !answer.additionals.is_empty() {
        // They are only a help.
        answer.additionals.clear();
        bytes = answer.to_vec().ok()?;
    }
    while bytes.len() > limit {
        answer.metadata.truncation = true;
        let keep = answer.answers.len() * limit / bytes.len();
        if answer.answers.is_empty() {
            return answer.truncate().to_vec().ok();
        }
        answer.answers.truncate(keep.min(answer.answers.len() - 1));
        bytes = answer.to_vec().ok()?;
    }
    Some(bytes)
}

/// Reads the addresses in an answer.
pub(super) fn addresses(answer: &Message) -> Vec<IpAddr> {
    let address = |record: &Record| match &record.data {
        RData::A(address) => Some(IpAddr::from(address.0)),
        RData::AAAA(address) => Some(IpAddr::from(address.0)),
        _ => None,
    };
    answer.answers.iter().filter_map(address).collect()
}

/// Says which version of the specification is followed, as that demands.
pub(super) fn version(query: &Message, domain: &str) -> Option<Message> {
    let question = query.queries.first()?;
    let asked = question.name().to_lowercase().to_ascii();
    let is_version = asked.trim_end_matches('.') == format!("dns-version.{domain}");
    (is_version && question.query_type() == RecordType::TXT).then(|| {
        let mut answer = respond_to(query, question);
        let text = RData::TXT(TXT::new(vec!["1.1.0".to_owned()]));
        answer.add_answer(Record::from_rdata(question.name().clone(), 3600, text));
        answer
    })
}
