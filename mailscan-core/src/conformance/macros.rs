//! One test of every case. A case that is added to a module is added here.

/// Makes the tests of the conformance suite for a backend: one of every case, and the ones against the model.
///
/// Takes an expression that makes a [`Harness`](crate::conformance::Harness); it is evaluated anew for every test. Where
/// the backend may be missing, `if` and a condition follow: tests end at once when it is false.
#[macro_export]
macro_rules! conformance_tests {
    ($harness:expr) => {
        $crate::conformance_tests!($harness, if true);
    };
    ($harness:expr, if $there:expr) => {
        $crate::conformance_tests! { @cases $harness, $there;
            push: pushed_tasks_can_be_claimed_at_once
                work_of_every_kind_comes_back_as_pushed
                open_lists_are_told_by_path_and_offset
                work_in_one_batch_twice_is_one_task
                duplicates_name_the_first_task_in_any_state
                jobs_do_not_share_tasks
                tasks_beyond_the_limit_are_not_kept
                duplicates_are_duplicates_beyond_the_limit
                done_tasks_count_against_the_limit
                empty_batches_have_empty_answers
                depth_without_tasks_is_zero
                depths_come_as_asked_for
                depth_counts_every_state
                depth_counts_suspects_as_pending
                two_works_of_one_fingerprint_are_two_tasks;
            hint: a_push_wakes_who_waits
                a_hint_outlives_a_dropped_wait
                a_hint_that_came_to_a_dropped_wait_comes_again
                returned_tasks_give_the_hint;
            claim: a_claimed_task_is_not_claimed_again
                the_lease_names_its_task
                the_fence_rises_with_every_claim
                shares_limit_each_job
                other_jobs_are_left_alone
                one_host_yields_at_most_per_host
                searches_have_a_limit_of_their_own
                limits_of_hosts_are_those_of_each_job
                busy_hosts_are_busy_for_every_job
                suspects_are_limited_over_all_jobs
                busy_hosts_yield_nothing
                hosts_take_turns_between_calls
                tasks_of_a_host_come_in_order
                a_released_task_comes_after_those_that_waited
                a_delayed_task_keeps_its_place_in_time
                delayed_tasks_wait_for_their_time
                expired_leases_are_not_ready
                suspects_come_only_as_asked_for
                suspects_with_the_fewest_crashes_come_first
                suspects_obey_the_limits_of_all
                a_small_claim_finds_one_of_many;
            renew: a_renewed_lease_holds_from_now
                an_expired_lease_is_renewed_before_the_sweep
                a_swept_lease_is_lost
                a_settled_lease_cannot_be_renewed
                foreign_leases_are_lost_in_order
                a_lease_twice_in_a_batch_is_held_twice;
            settle: what_was_left_out_counts_once
                what_a_lost_lease_left_out_does_not_count
                done_is_done
                the_same_settlement_again_is_repeated
                a_settlement_twice_in_a_batch_is_applied_once
                a_swept_lease_settles_nothing
                a_stale_fence_settles_nothing
                a_foreign_lease_settles_nothing
                an_unclaimed_task_cannot_be_settled
                an_expired_lease_settles_before_the_sweep
                a_retry_uses_an_attempt_and_a_release_none
                without_delay_a_task_is_ready_at_once
                a_failed_task_stays_failed;
            sweep: live_leases_are_not_swept
                a_sweep_counts_a_crash_and_no_attempt
                a_sweep_keeps_to_its_limit
                too_many_crashes_end_in_quarantine
                a_delayed_suspect_stays_a_suspect
                a_sweep_serves_all_jobs;
            retry: what_was_given_up_begins_anew
                a_retried_task_has_no_past
                the_fence_survives_a_retry
                who_waits_is_ready_at_once
                nothing_else_is_retried
                a_task_twice_in_a_batch_is_retried_once
                a_retry_wakes_who_waits
                states_are_told_in_order
                every_state_is_told;
            deletion: only_a_job_at_rest_is_deleted
                a_deleted_job_is_gone
                nothing_is_stored_for_a_deleted_job
                a_purge_removes_one_job_bit_by_bit
                purged_tasks_are_gone
                tasks_are_purged_while_they_are_worked_on
                a_purged_job_takes_no_tasks;
            jobs: a_new_job_is_queued_and_unseeded
                the_origin_of_a_job_is_kept
                the_same_key_is_the_same_job
                an_unknown_job_is_not_found
                jobs_are_listed_by_id_and_state
                jobs_are_listed_from_the_newest
                states_are_those_of_the_jobs
                jobs_are_counted_by_state
                states_and_outlines_come_as_asked_for
                an_outline_has_the_first_sources
                a_transition_compares_and_sets
                the_table_of_states_holds
                a_repeated_transition_keeps_the_reason
                start_and_end_are_noted
                seeding_is_noted
                the_time_at_work_only_rises
                a_resume_notes_the_time_at_work;
            addresses: an_address_is_new_once
                letter_case_makes_no_new_address
                two_addresses_of_one_fingerprint_are_two
                the_first_sighting_is_kept
                jobs_do_not_share_addresses
                addresses_are_searched_page_by_page
                addresses_at_international_domains_are_found
                fingerprints_are_those_of_the_addresses
                the_target_is_never_passed
                a_known_address_is_known_over_the_target
                a_missing_job_keeps_nothing_of_the_batch
                collected_is_the_number_of_rows
                known_answers_in_order
                addresses_are_listed_as_first_seen
                moments_part_the_addresses_of_a_job;
            records: a_beat_replaces_the_one_before
                the_dead_are_forgotten_in_the_end
                a_forgotten_process_is_gone
                an_error_comes_back_as_recorded
                an_error_of_one_delivery_is_recorded_once
                errors_are_listed_by_key_job_and_state
                errors_are_listed_by_selection
                errors_are_grouped
                groups_come_page_by_page
                a_later_success_resolves_errors
                errors_are_resolved_by_selection;
            pipeline: a_commit_is_answered_in_order
                a_commit_again_changes_nothing
                outcomes_of_another_epoch_are_refused
                a_write_makes_no_other_epoch
                a_commit_that_fails_settles_nothing
                a_large_commit_is_answered_whole
                a_commit_given_up_is_made_once
                what_a_sweep_quarantines_has_one_error;
            batches: a_large_push_is_answered_whole
                many_leases_are_renewed_and_settled_at_once
                many_tasks_are_taken_back_at_once
                a_large_insert_is_answered_whole
                a_large_insert_is_kept_whole_or_not_at_all;
            times: a_lease_holds_as_long_as_asked_for
                a_renewal_holds_as_long_as_asked_for
                a_delay_ends_to_the_millisecond
                silence_is_measured_from_the_last_beat
                moments_are_times_of_the_day
                what_is_noted_has_its_time
                start_and_end_are_told_to_the_millisecond
                a_known_address_keeps_its_time;
            together: claims_side_by_side_share_no_task
                pushes_side_by_side_make_each_task_once
                a_limit_holds_for_pushes_side_by_side
                a_settlement_and_a_sweep_exclude_each_other
                settlements_side_by_side_apply_once
                jobs_created_side_by_side_are_one
                transitions_side_by_side_happen_once
                purges_side_by_side_leave_nothing;
            repeats: a_push_given_up_is_made_once
                a_claim_given_up_loses_no_task
                a_settlement_given_up_counts_once
                a_sweep_given_up_counts_one_crash
                a_retry_given_up_puts_back_once
                an_insert_given_up_adds_once
                a_creation_given_up_makes_one_job
                a_purge_given_up_goes_on;
        }

        #[test]
        fn the_queue_agrees_with_the_model() {
            if $there {
                $crate::conformance::model::queue_agrees(|| $harness);
            }
        }

        #[test]
        fn the_store_agrees_with_the_model() {
            if $there {
                $crate::conformance::union::store_agrees(|| $harness);
            }
        }
    };
    (@cases $harness:expr, $there:expr; $($module:ident: $($case:ident)*;)*) => {
        $($(
            #[tokio::test(start_paused = true)]
            async fn $case() {
                if $there {
                    $crate::conformance::$module::$case(&$harness).await;
                }
            }
        )*)*
    };
}
