//! A server that comes back without the last of what it had confirmed.

use super::Stage;
use crate::postgres::{Cluster, is_there};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_lost_is_found_again() {
    if !is_there() {
        return;
    }
    let cluster = Cluster::start();
    let stage = Stage::set(&cluster, 12_000, 20).await;
    let _node = stage.node(4).await;
    stage.collected(3_000).await;
    cluster.stop("immediate");
    cluster.keep_copy();
    cluster.resume();
    stage.collected(7_000).await;
    cluster.stop("immediate");
    cluster.bring_back();
    cluster.resume();
    stage.finish_and_compare().await;
}
