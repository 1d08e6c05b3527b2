//! Routes and packet rules that bring to us what goes outside.

use std::{io, net::Ipv4Addr};

use super::Config;
use crate::{
    netlink::route::{self, LOOPBACK},
    nft::{self, Batch, FORWARD, Hook, OUTPUT, PREROUTING, Rule},
    pods::Range,
    services::Protocol,
};

const TABLE: &str = "pinnace-egress";

/// Marks datagrams that are handed to us with their destination unchanged.
const MARK: u32 = 0x50;
const MARKED_TABLE: u32 = 0x50;

/// `NF_IP_PRI_MANGLE`; NAT 10 after that of services, which comes first.
const INTERCEPT: Hook = Hook { kind: "filter", number: PREROUTING, priority: -150 };
const INTERCEPT_OWN: Hook = Hook { kind: "route", number: OUTPUT, priority: -150 };
const TURN: Hook = Hook { kind: "nat", number: PREROUTING, priority: -90 };
const TURN_OWN: Hook = Hook { kind: "nat", number: OUTPUT, priority: -90 };
const PASS_ON: Hook = Hook { kind: "filter", number: FORWARD, priority: 0 };

const ICMP_NETWORK_UNREACHABLE: u8 = 0;
const HERE: Range = Range::new(Ipv4Addr::LOCALHOST, 8);

/// Gives everything outside a route, to the loopback link, so that connections from here get as far
/// as the rules; marked datagrams are taken for ours.
pub(super) fn route(config: &Config) -> io::Result<()> {
    let mut socket = route::open()?;
    let everything = Range::new(Ipv4Addr::UNSPECIFIED, 0);
    socket.transact(&[
        route::new_address(LOOPBACK, config.node_address),
        route::link_default_route(LOOPBACK, config.node_address),
        route::local_route(everything, None, MARKED_TABLE),
    ])?;
    match socket.transact(&[route::mark_rule(MARK, MARKED_TABLE)]) {
        Err(refused) if refused.error.raw_os_error() != Some(libc::EEXIST) => Err(refused.error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Sets the rules anew; without a port for datagrams these stay inside.
pub(super) fn set(config: &Config, tcp_port: u16, udp_port: Option<u16>) -> io::Result<()> {
    let mut batch = Batch::new(TABLE);
    // Adding what is there is no error, deleting what is not would be one.
    batch.add_table();
    batch.delete_table(TABLE);
    batch.add_table();

    let outside =
        |rule: Rule| config.cluster_ranges.iter().fold(rule, |rule, range| rule.destination_not_in(*range));
    let from_pod =
        |protocol: Protocol| outside(Rule::new().source_in(config.pod_range)).protocol_is(protocol.number());
    let from_here =
        |protocol: Protocol| outside(Rule::new().destination_not_in(HERE)).protocol_is(protocol.number());
    if let Some(udp_port) = udp_port {
        let intercept =
            |rule: Rule| rule.transparent_proxy(config.node_address, udp_port).set_mark(MARK).accept();
        batch.add_base_chain("intercept", INTERCEPT);
        batch.add_rule("intercept", &intercept(from_pod(Protocol::Udp)));
        // Those of this network itself come round by the loopback link.
        let returned = Rule::new().came_in_by(LOOPBACK).mark_is(MARK).protocol_is(Protocol::Udp.number());
        batch.add_rule("intercept", &intercept(returned));
        batch.add_base_chain("intercept-own", INTERCEPT_OWN);
        batch.add_rule("intercept-own", &from_here(Protocol::Udp).set_mark(MARK));
    }

    batch.add_base_chain("turn", TURN);
    batch.add_rule("turn", &from_pod(Protocol::Tcp).destination_nat_to(config.node_address, tcp_port));
    batch.add_base_chain("turn-own", TURN_OWN);
    batch.add_rule("turn-own", &from_here(Protocol::Tcp).destination_nat_to(config.node_address, tcp_port));

    batch.add_base_chain("pass-on", PASS_ON);
    batch.add_rule(
        "pass-on",
        &Rule::new().leaves_by(LOOPBACK).reject_with_unreachable(ICMP_NETWORK_UNREACHABLE),
    );
    batch.commit(&mut nft::open()?)
}
