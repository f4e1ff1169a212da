//! Large bodies and their places on a paused clock.

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::*;

/// Reads a large body that never ends, for a minute at most; answers why it is given up.
async fn endless(bodies: &Bodies, url: &Url) -> FetchError {
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut came, room) = (Came::default(), bodies.room(url, SMALL, deadline));
    let reading = async {
        room.take(&mut came).await?;
        std::future::pending().await
    };
    let read: Result<(), FetchError> = timeout_at(deadline, reading).await.unwrap_or_else(|_| Err(late()));
    read.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn bodies_that_never_end_use_attempts_however_many_wait() {
    let bodies: &'static Bodies = Box::leak(Box::default());
    let (hour, mut reading) = (Instant::now() + Duration::from_secs(3_600), JoinSet::new());
    // At any time a hundred are being read or wait, each of another host, and those that have ended are followed by others.
    for n in 0..100 {
        reading.spawn(async move {
            sleep(Duration::from_millis(600) * n).await;
            let url = Url::parse(&format!("http://{n}.org/")).unwrap();
            let mut attempts = 0;
            while Instant::now() < hour {
                let error = endless(bodies, &url).await;
                match error.class {
                    FetchErrorClass::Deferred => sleep(error.retry_after.unwrap()).await,
                    _ => attempts += 1,
                }
            }
            attempts
        });
    }
    let attempts: usize = reading.join_all().await.into_iter().sum();
    // So many places, each for a minute at most.
    assert!(attempts >= LARGE_PLACES * 55, "{attempts}");
}

#[tokio::test(start_paused = true)]
async fn whoever_gets_a_place_has_half_of_its_time_for_it() {
    let bodies = Bodies::default();
    let mut held = Vec::new();
    while bodies.places(SMALL).free() > 0 {
        held.push(bodies.places(SMALL).take(held.len().to_string(), 1).await.unwrap());
    }
    let url = Url::parse("http://a.org/").unwrap();
    let began = Instant::now();
    let error = endless(&bodies, &url).await;
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Deferred, BODIES_FULL));
    let gets_one = async {
        sleep(Duration::from_secs(29)).await;
        held.pop();
    };
    assert_eq!(began.elapsed().as_secs(), 30);
    let (error, ()) = tokio::join!(endless(&bodies, &url), gets_one);
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Transient, "body-timeout"));
    // One that has taken long for its beginning waits for no place, but takes one that is free.
    let room = bodies.room(&url, SMALL, Instant::now());
    assert!(room.take(&mut Came::default()).await.is_ok());
}
