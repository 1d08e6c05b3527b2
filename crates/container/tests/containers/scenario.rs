//! What containers do.

mod adoption;
mod confined;
mod exec;
mod faults;
mod inside;
mod life;
mod limits;
mod logs;

use std::future::Future;
use std::pin::Pin;

pub(crate) use adoption::main_to_be_killed;

use crate::world::World;

type Scenario = for<'a> fn(&'a World) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Names scenarios, which are `async fn(&World)`.
macro_rules! scenarios {
    ($($module:ident::$name:ident),* $(,)?) => {
        &[$((stringify!($name), |world| Box::pin($module::$name(world)))),*]
    };
}

pub(crate) const SCENARIOS: &[(&str, Scenario)] = scenarios![
    life::output_goes_to_the_log_with_its_stream,
    life::the_exit_code_is_kept,
    life::a_signal_that_kills_is_reported,
    life::a_program_that_handles_term_ends_by_itself,
    life::a_program_that_ignores_term_is_removed_all_the_same,
    life::exits_are_told_again_to_a_late_listener,
    life::a_removed_container_leaves_no_files_but_its_log,
    life::destroy_leaves_nothing,
    life::ids_are_unique_and_sane,
    life::orphans_die_with_their_container,
    inside::the_container_is_isolated,
    inside::containers_of_a_sandbox_share_host_name_and_memory_folder,
    inside::files_and_folders_are_mounted,
    inside::a_read_only_root_refuses_writes,
    inside::layers_are_never_written,
    inside::many_layers_are_stacked,
    inside::the_environment_is_exactly_what_was_asked,
    inside::the_working_directory_is_made,
    inside::another_user_is_used_or_noted,
    inside::capabilities_are_the_default_set_with_changes,
    inside::devices_of_the_machine_are_out_of_reach,
    inside::no_new_privileges_is_set,
    inside::the_termination_message_can_be_written,
    inside::processes_outside_are_not_seen,
    inside::processes_are_shared_where_asked,
    inside::the_network_and_its_parameters_are_the_sandboxes,
    inside::a_volume_may_hide_a_standard_mount,
    confined::ordinary_system_calls_are_allowed_and_others_refused,
    confined::a_filter_costs_and_brings_no_capabilities,
    confined::another_user_is_confined_too,
    confined::a_command_is_confined_like_its_container,
    confined::a_container_joins_the_processes_of_another,
    confined::the_machines_processes_are_seen_where_asked,
    confined::shared_memory_is_the_machines_where_asked,
    confined::the_masks_come_off_where_asked,
    confined::a_privileged_container_has_the_machines_devices,
    logs::a_flood_is_rotated,
    logs::a_full_disk_loses_lines_but_stops_nobody,
    logs::long_lines_are_split,
    logs::a_log_that_cannot_be_made_fails_the_start,
    exec::a_command_has_its_own_streams_and_code,
    exec::input_is_carried_and_its_end_too,
    exec::a_command_can_be_killed,
    exec::a_command_on_a_terminal_sees_it_and_its_size,
    exec::a_missing_command_says_so,
    exec::a_stopped_container_takes_no_command,
    exec::many_commands_leave_nothing_behind,
    exec::attached_clients_see_output_and_give_input,
    exec::a_terminal_container_is_attached_to,
    exec::a_port_on_loopback_can_be_dialled,
    faults::a_missing_program_is_explained_as_kubernetes_does,
    faults::a_missing_mount_source_is_named,
    faults::a_failed_start_leaves_nothing,
    faults::a_failed_sandbox_leaves_nothing,
    faults::garbage_on_the_socket_harms_nobody,
    faults::a_hanging_shim_is_destroyed_all_the_same,
    faults::a_killed_shim_takes_its_containers_along,
    faults::a_shim_killed_in_mid_start_leaves_nothing,
    faults::many_sandboxes_come_and_go_at_once,
    limits::memory_beyond_the_limit_is_an_oom_kill,
    limits::a_child_beyond_the_limit_counts,
    limits::limits_can_be_changed,
    limits::a_container_cannot_lift_its_limits,
    limits::processes_beyond_the_limit_are_contained,
    limits::usage_is_measured,
    limits::cpu_time_is_held_to_the_limit,
    limits::a_throttled_program_notices_nothing,
    adoption::a_killed_main_process_disturbs_nobody,
    adoption::a_shim_found_dead_is_cleaned_up,
    adoption::a_closed_runtime_knows_every_sandbox,
];
