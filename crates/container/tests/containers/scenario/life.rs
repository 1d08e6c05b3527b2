//! From start to end.

use crate::world::{World, end_of};

pub(crate) async fn output_goes_to_the_log_with_its_stream(world: &World) {
    let sandbox = world.sandbox("output").await;
    sandbox.start(world.container("say", &["say", "hello"])).await.unwrap();
    sandbox.start(world.container("complain", &["complain", "ouch"])).await.unwrap();
    end_of(&sandbox, "say").await;
    end_of(&sandbox, "complain").await;
    assert_eq!(world.log("say"), "stdout F hello\n");
    assert_eq!(world.log("complain"), "stderr F ouch\n");
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn the_exit_code_is_kept(world: &World) {
    let sandbox = world.sandbox("code").await;
    sandbox.start(world.container("seven", &["exit", "7"])).await.unwrap();
    let exit = end_of(&sandbox, "seven").await;
    assert_eq!((exit.code, exit.signal, exit.oom_killed), (7, None, false));
    sandbox.destroy().await.unwrap();
}
