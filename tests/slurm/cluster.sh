#!/usr/bin/env bash
# A one-node SLURM on loopback, for tests: cluster.sh start | stop | status
#
# Needs root; installs Debian's packages where they are missing. It has its own munged, key and
# socket, ends processes of its own only, and leaves another SLURM's configuration alone.
# Partition `main` is preempted by `urgent`: its jobs get SIGTERM, a grace time, and are requeued.
set -euo pipefail

MARK="# advdim test cluster"
CLUSTER=advdim-test
CONF=/etc/slurm/slurm.conf
STATE=/var/tmp/advdim-slurm
HOST=$(hostname -s)
# The caller: while it lives, no other run may replace its cluster.
OWNER=$PPID

fail() { echo "cluster.sh: $*" >&2; exit 1; }

install_packages() {
    local missing=() entry
    for entry in slurmctld:slurmctld slurmd:slurmd sinfo:slurm-client munged:munge; do
        command -v "${entry%%:*}" >/dev/null || missing+=("${entry##*:}")
    done
    [ ${#missing[@]} -eq 0 ] && return
    command -v apt-get >/dev/null || fail "apt-get is needed to install ${missing[*]}"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null ||
        fail "apt-get could not install ${missing[*]}"
}

is_ours() { [ -f $CONF ] && [ "$(head -1 $CONF)" = "$MARK" ]; }

# The start time tells a living owner from a later process of the same number.
born() { awk '{sub(/.*\) /, ""); print $20}' "/proc/$1/stat" 2>/dev/null || true; }

refuse_if_not_free() {
    local pid since
    [ ! -e $CONF ] || is_ours || fail "$CONF belongs to another SLURM; it is left alone"
    [ -f $STATE/owner ] || return 0
    read -r pid since <$STATE/owner
    [ "$pid" = "$OWNER" ] || [ "$(born "$pid")" != "$since" ] ||
        fail "process $pid uses the test cluster; wait for it, or end it and run cluster.sh stop"
}

write_configuration() {
    local memory
    memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
    mkdir -p "$(dirname $CONF)" $STATE/ctld $STATE/d
    chmod 755 $STATE
    echo "$OWNER $(born "$OWNER")" >$STATE/owner
    cat >$CONF <<CONFIGURATION
$MARK
ClusterName=$CLUSTER
SlurmctldHost=$HOST(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$STATE/munge.socket
StateSaveLocation=$STATE/ctld
SlurmdSpoolDir=$STATE/d
SlurmctldPidFile=$STATE/slurmctld.pid
SlurmdPidFile=$STATE/slurmd.pid
SlurmctldLogFile=$STATE/slurmctld.log
SlurmdLogFile=$STATE/slurmd.log
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=60
# Finished jobs stay visible: without accounting squeue is the only witness.
MinJobAge=86400
# Out of time, cancelled or preempted: SIGTERM, these seconds, SIGKILL.
KillWait=10
OverTimeLimit=0
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=$HOST NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=10
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=2
CONFIGURATION
}

start_daemons() {
    (umask 077 && head -c 128 /dev/urandom >$STATE/munge.key)
    /usr/sbin/munged --num-threads=2 --key-file=$STATE/munge.key --socket=$STATE/munge.socket \
        --pid-file=$STATE/munged.pid --log-file=$STATE/munged.log --seed-file=$STATE/munged.seed
    /usr/sbin/slurmctld
    /usr/sbin/slurmd
}

wait_until_idle() {
    local _
    for _ in $(seq 60); do
        [ "$(sinfo -h -p main -o %t 2>/dev/null)" = idle ] && return
        sleep 1
    done
    tail -n 5 $STATE/*.log >&2 || true
    return 1
}

start() {
    [ "$(id -u)" -eq 0 ] || fail "must be run as root"
    refuse_if_not_free
    install_packages
    stop
    trap 'stop; exit 130' INT TERM
    write_configuration
    start_daemons || { stop; fail "a daemon did not start"; }
    wait_until_idle || { stop; fail "the node did not become idle within a minute"; }
}

# Daemons of this cluster, also of a crashed run: those that hold a file in its state folder open.
daemons() {
    local exe
    for exe in /proc/[0-9]*/exe; do
        case $(readlink "$exe" 2>/dev/null) in
            */munged | */slurmctld* | */slurmd* | */slurmstepd*) ;; # Debian appends -wlm
            *) continue ;;
        esac
        [ -z "$(find "${exe%/exe}/fd" -lname "$STATE/*" -print -quit 2>/dev/null)" ] ||
            basename "${exe%/exe}"
    done
}

# What the cluster's jobs left running.
job_processes() {
    grep -lsz "^SLURM_CLUSTER_NAME=$CLUSTER\$" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 || true
}

stop() {
    is_ours || [ -d $STATE ] || return 0
    local pids _
    # Again and again, for what those started meanwhile and until the killed are gone.
    for _ in $(seq 50); do
        pids=$(daemons; job_processes)
        [ -n "$pids" ] || break
        # shellcheck disable=SC2086 # one argument per process
        kill -KILL $pids 2>/dev/null || true
        sleep 0.1
    done
    rm -rf $STATE
    ! is_ours || rm -f $CONF
}

case "${1:-}" in
    start) start ;;
    stop) stop ;;
    status) sinfo ;;
    *) fail "use start, stop or status" ;;
esac
