//! Large bodies: each takes one of the places that there are, and none keeps those of others out for long.

use super::*;

#[tokio::test]
async fn large_files_leave_large_pages_their_places() {
    let source = source();
    let page = vec![b'a'; 300 << 10];
    let server = Server::start(move |path| if path == "/page" { ok("", &page) } else { MISSING.to_vec() }).await;
    let held = source.bodies.places(usize::MAX).take("a.org".to_owned(), 16).await.unwrap();
    let roomy = Budget { body: 8 << 20, ..budget() };
    assert_eq!(text(read(&source, server.url("/page").as_str(), roomy).await.unwrap()).0.len(), 300 << 10);
    drop(held);
}

#[tokio::test]
async fn a_large_page_that_finds_no_place_comes_back_untouched() {
    let source = source();
    let page = vec![b'a'; 300 << 10];
    let packed = packed(GzipEncoder::new(&page[..])).await;
    let server = Server::start(move |path| match path {
        "/plain" => ok("", &page),
        "/encoded" => ok("Content-Encoding: gzip\r\n", &packed),
        "/file" => ok_as("application/gzip", "", &packed),
        _ => MISSING.to_vec(),
    })
    .await;
    let mut held = Vec::new();
    while source.bodies.places(0).free() > 0 {
        held.push(source.bodies.places(0).take(held.len().to_string(), 1).await.unwrap());
    }
    let options = JobOptions::default();
    let budget = Budget { time: Duration::from_millis(500), body: 1 << 20 };
    let context = FetchContext { options: &options, budget, recall: Recall::NEVER, origin: &Origin::Operator };
    for path in ["/plain", "/encoded", "/file"] {
        // On the last attempt as well, which this one is not.
        for attempt in [1, options.max_attempts] {
            let url = server.url(path);
            let error = source.page(url.as_str(), &task_of(url.as_str(), attempt), &context).await.unwrap_err();
            assert_eq!((error.class, &*error.code), (FetchErrorClass::Deferred, "bodies-full"), "{path} {attempt}");
        }
    }
    held.pop();
    let roomy = Budget { time: Duration::from_secs(20), ..budget };
    for path in ["/plain", "/encoded", "/file"] {
        assert_eq!(text(read(&source, server.url(path).as_str(), roomy).await.unwrap()).0.len(), 300 << 10, "{path}");
    }
}

/// A server that sends the beginning of a large page and no more, to everybody. Ends with the value.
async fn stalling() -> (Url, tokio::task::JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move {
        let mut sockets = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            let mut socket = BufReader::new(socket);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && socket.read_line(&mut head).await.unwrap() > 0 {}
            if head.starts_with("GET /robots.txt") {
                socket.write_all(MISSING).await.unwrap();
                continue;
            }
            let answer = ok("", &vec![b'a'; 1 << 20]);
            socket.write_all(&answer[..300 << 10]).await.unwrap();
            sockets.push(socket);
        }
    });
    (url, serving)
}

#[tokio::test]
async fn a_host_that_sends_large_pages_slowly_leaves_room_for_those_of_others() {
    let source = Arc::new(source());
    let (slow, _serving) = stalling().await;
    let roomy = Budget { time: Duration::from_secs(60), body: 8 << 20 };
    let mut reading = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (source, url) = (source.clone(), slow.join(&n.to_string()).unwrap());
        reading.spawn(async move { read(&source, url.as_str(), roomy).await.map(drop) });
    }
    let places = source.bodies.places(roomy.body);
    while places.free() > 11 {
        tokio::task::yield_now().await;
    }
    let page = vec![b'a'; 300 << 10];
    let server = Server::start(move |path| if path == "/page" { ok("", &page) } else { MISSING.to_vec() }).await;
    for _ in 0..20 {
        assert_eq!(text(read(&source, server.url("/page").as_str(), roomy).await.unwrap()).0.len(), 300 << 10);
    }
    assert_eq!(places.free(), 11);
    // Who leads to it is not to be left alone for its sake.
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {slow}large\r\nContent-Length: 0\r\n\r\n");
    let leading =
        Server::start(move |path| if path == "/" { answer.clone().into_bytes() } else { MISSING.to_vec() }).await;
    let short = Budget { time: Duration::from_secs(1), ..roomy };
    let error = read(&source, leading.url("/").as_str(), short).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Deferred, BODIES_FULL));
}

#[tokio::test]
async fn who_leads_to_a_packed_page_that_finds_no_room_is_not_left_alone_for_it() {
    let source = source();
    let packed = packed(GzipEncoder::new(&vec![b'a'; 300 << 10][..])).await;
    let server = Server::start(move |path| match path {
        "/file" => ok_as("application/gzip", "", &packed),
        _ => MISSING.to_vec(),
    })
    .await;
    let file = server.url("/file");
    let short = Budget { time: Duration::from_secs(2), body: 1 << 20 };
    let mut held = Vec::new();
    // As many as one may have.
    for _ in 0..13 {
        held.push(source.bodies.places(short.body).take(host_of(&file), 1).await.unwrap());
    }
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {file}\r\nContent-Length: 0\r\n\r\n");
    let leading =
        Server::start(move |path| if path == "/" { answer.clone().into_bytes() } else { MISSING.to_vec() }).await;
    let error = read(&source, leading.url("/").as_str(), short).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Deferred, BODIES_FULL));
}
