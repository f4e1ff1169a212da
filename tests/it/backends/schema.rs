//! The schema of a PostgreSQL database: older and newer ones, and who stands in the way of its steps.

use std::time::Duration;

use mailscan_core::ErrorKind;
use mailscan_core::job::Origin;
use mailscan_core::store::Store;

use super::databases::{collect, open};
use crate::postgres::{is_there, shared};

#[tokio::test]
async fn a_schema_that_is_too_new_is_refused_in_one_line() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    open(&name).await.unwrap();
    // Newer, but made to be used by this one as well.
    shared().execute(&name, "UPDATE mailscan.schema SET version = 999").await;
    open(&name).await.unwrap();
    shared().execute(&name, "UPDATE mailscan.schema SET oldest = 998").await;
    let error = open(&name).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaTooNew);
    let line = error.to_string();
    assert!(line.contains("999") && line.contains("newer mailscan") && !line.contains('\n'), "{line}");
    assert_eq!(shared().number(&name, "SELECT version::bigint FROM mailscan.schema").await, 999);
}

/// Undoes the steps after the third.
const SCHEMA_3: &str = "DROP INDEX mailscan.worker_error_group; ALTER TABLE mailscan.job DROP COLUMN api_roots, DROP COLUMN active_before_ms;
    ALTER TABLE mailscan.host DROP COLUMN blocked; DROP INDEX mailscan.job_status;
    UPDATE mailscan.schema SET version = 3";

#[tokio::test]
async fn an_older_schema_is_brought_up_to_date_with_its_jobs() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    let latest = "SELECT version::bigint FROM mailscan.schema";
    let database = open(&name).await.unwrap();
    let (id, seven) = (collect(&database).await, Duration::from_secs(7));
    database.record_active(id, seven).await.unwrap();
    let version = shared().number(&name, latest).await;
    shared().execute(&name, SCHEMA_3).await;
    let job = open(&name).await.unwrap().job(id).await.unwrap().unwrap();
    assert_eq!(job.origin, Origin::Operator);
    assert_eq!((job.active, job.active_before), (seven, seven), "its time limit counts from now on");
    assert_eq!(shared().number(&name, latest).await, version);
}

/// Opens an older database once somebody holds a table that the steps change, and looks whether they were taken.
async fn is_brought_up_to_date(database: &str) {
    let held = "SELECT count(*) FROM pg_locks WHERE granted AND relation = 'mailscan.worker_error'::regclass";
    while shared().number(database, held).await == 0 {}
    open(database).await.unwrap();
    let index = "SELECT count(*) FROM pg_indexes WHERE indexname = 'worker_error_group'";
    assert_eq!(shared().number(database, index).await, 1);
}

#[tokio::test]
async fn steps_that_stand_in_the_way_of_somebody_are_taken_again() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    open(&name).await.unwrap();
    shared().execute(&name, SCHEMA_3).await;
    // Somebody holds what the step wants, and then wants what the step holds. Whoever has waited for a second looks
    // whether that is so, and gives up; this one never looks.
    let in_the_way = "BEGIN; SET LOCAL deadlock_timeout = '10min';
        LOCK TABLE mailscan.worker_error IN ROW EXCLUSIVE MODE;
        DO $$ BEGIN
            WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'mailscan.worker_error'::regclass) LOOP
                PERFORM pg_sleep_for('10 ms');
            END LOOP;
        END $$;
        SELECT pg_advisory_xact_lock((classid::bigint << 32) + objid::bigint) FROM pg_locks
            WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
        COMMIT";
    tokio::join!(shared().execute(&name, in_the_way), is_brought_up_to_date(&name));
}

#[tokio::test]
async fn steps_that_wait_for_a_table_do_not_keep_others_from_it() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    open(&name).await.unwrap();
    shared().execute(&name, SCHEMA_3).await;
    shared().execute(&name, "CREATE TABLE public.got (through bool)").await;
    // Somebody keeps a table for long, here until another got through to it who came after the step.
    let keeper = "BEGIN; LOCK TABLE mailscan.worker_error IN ROW EXCLUSIVE MODE;
        DO $$ BEGIN
            WHILE NOT EXISTS (SELECT FROM public.got) LOOP PERFORM pg_sleep_for('10 ms'); END LOOP;
        END $$;
        COMMIT";
    let another = "DO $$ BEGIN
            WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'mailscan.worker_error'::regclass) LOOP
                PERFORM pg_sleep_for('10 ms');
            END LOOP;
        END $$;
        BEGIN; SET LOCAL lock_timeout = '20s'; LOCK TABLE mailscan.worker_error IN ROW EXCLUSIVE MODE;
        INSERT INTO public.got VALUES (true); COMMIT";
    tokio::join!(shared().execute(&name, keeper), shared().execute(&name, another), is_brought_up_to_date(&name));
}

#[tokio::test]
async fn who_keeps_a_table_from_the_steps_is_named_in_the_end() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    open(&name).await.unwrap();
    let latest = shared().number(&name, "SELECT version::bigint FROM mailscan.schema").await;
    shared().execute(&name, SCHEMA_3).await;
    let (keeper, connection) = tokio_postgres::connect(&shared().url(&name), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    // What a backup holds.
    keeper.batch_execute("BEGIN; LOCK TABLE mailscan.job IN ACCESS SHARE MODE").await.unwrap();
    let pid: i32 = keeper.query_typed_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let error = open(&name).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let (error, why) =
        (error.to_string(), format!("from 3 to {latest}, and process {pid} of the server has held a table"));
    assert!(error.contains(&why) && error.contains("end that, or start this when it is over"), "{error}");
    keeper.batch_execute("COMMIT").await.unwrap();
    open(&name).await.unwrap();
}
