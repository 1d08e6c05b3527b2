//! `kubectl`, everyday, line by line as people type it.
//!
//! `PINNACE_KUBECTL` names another `kubectl` than that of the PATH; `scripts/kubectl-versions.sh` runs this test with
//! each one that it finds on the machine.

mod access;
mod changing;
mod creating;
mod deleting;
mod describing;
mod inside;
mod looking;
mod nodes;
mod rollouts;
mod session;

use crate::support::{User, everyone};
use crate::toolbox;
use session::Session;

type Part = (&'static str, fn(&Session<'_>));

/// What can be done beside each other, each in a namespace of its own.
const PARTS: [Part; 9] = [
    ("looking", looking::check),
    ("describing", describing::check),
    ("changing", changing::check),
    ("applying", changing::check_apply),
    ("creating", creating::check),
    ("access", access::check),
    ("inside", inside::check),
    ("rollouts", rollouts::check),
    ("deleting", deleting::check),
];

#[test]
fn every_line_of_everyday_kubectl_works() {
    for who in everyone() {
        let user = User::new(who);
        toolbox::load(&user);
        let words = [user.up_words(), vec!["--nodes".to_owned(), "2".to_owned()]].concat();
        user.pinnace(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let mut wrong = Vec::new();
        // Two at a time: more only wait for each other on a small machine.
        for pair in PARTS.chunks(2) {
            std::thread::scope(|scope| {
                let parts: Vec<_> = pair.iter().map(|part| scope.spawn(|| run(&user, *part))).collect();
                parts.into_iter().for_each(|part| wrong.extend(part.join().unwrap()));
            });
        }
        wrong.extend(run(&user, ("nodes", nodes::check)));
        assert!(wrong.is_empty(), "{} not as they should be:\n\n{}", wrong.len(), wrong.join("\n\n"));
    }
}

fn run(user: &User, (name, check): Part) -> Vec<String> {
    let session = Session::new(user, name);
    check(&session);
    session.wrong()
}
