#!/usr/bin/env bash
# A one-node SLURM on loopback, for tests: cluster.sh start | stop | status
# Needs root and Debian's packages; leaves an existing SLURM configuration alone.
set -euo pipefail

MARK="# advdim test cluster"
CONF=/etc/slurm/slurm.conf
STATE=/var/tmp/advdim-slurm
HOST=$(hostname -s)

fail() { echo "cluster.sh: $*" >&2; exit 1; }

install_packages() {
    local missing=()
    for program in slurmctld:slurmctld slurmd:slurmd sinfo:slurm-client munged:munge; do
        command -v "${program%%:*}" >/dev/null || missing+=("${program##*:}")
    done
    [ ${#missing[@]} -eq 0 ] && return
    command -v apt-get >/dev/null || fail "apt-get is needed to install ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
}

write_configuration() {
    local memory
    memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
    mkdir -p "$(dirname $CONF)" $STATE/ctld $STATE/d
    cat >$CONF <<CONFIGURATION
$MARK
ClusterName=advdim
SlurmctldHost=$HOST(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
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
# Finished jobs stay visible: without accounting squeue is the only witness.
MinJobAge=86400
JobRequeue=1
KillWait=20
OverTimeLimit=0
SlurmdTimeout=60
NodeName=$HOST NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONFIGURATION
}

start() {
    [ "$(id -u)" -eq 0 ] || fail "must be run as root"
    if [ -f $CONF ] && ! grep -qF "$MARK" $CONF; then
        fail "$CONF belongs to another SLURM; it is left alone"
    fi
    install_packages
    stop
    write_configuration
    mkdir -p /run/munge /var/log/munge /var/lib/munge
    chown munge: /run/munge /var/log/munge /var/lib/munge /etc/munge
    [ -f /etc/munge/munge.key ] || runuser -u munge -- mungekey --create
    munge -n </dev/null >/dev/null 2>&1 || runuser -u munge -- /usr/sbin/munged --force
    slurmctld
    slurmd
    for _ in $(seq 60); do
        [ "$(sinfo -h -o %t 2>/dev/null)" = idle ] && return
        sleep 1
    done
    tail -5 $STATE/slurmctld.log $STATE/slurmd.log >&2 || true
    fail "the node did not become idle within a minute"
}

stop() {
    [ -f $CONF ] && grep -qF "$MARK" $CONF || return 0
    scancel --user=root 2>/dev/null || true
    for daemon in slurmd slurmctld; do
        if [ -f "$STATE/$daemon.pid" ]; then
            kill "$(cat "$STATE/$daemon.pid")" 2>/dev/null || true
        fi
    done
    for _ in $(seq 20); do
        pgrep -x slurmd >/dev/null || pgrep -x slurmctld >/dev/null || break
        sleep 0.5
    done
    for program in slurmstepd slurmd slurmctld munged; do
        pkill -KILL -x $program 2>/dev/null || true
    done
    rm -rf $STATE $CONF
}

case "${1:-}" in
    start) start ;;
    stop) stop ;;
    status) sinfo ;;
    *) fail "use start, stop or status" ;;
esac
