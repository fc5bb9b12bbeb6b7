#!/bin/busybox sh
# The guest's init: the stages of `cargo xtask guest`, one after another. Lines for the host begin with "guest: ".
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
echo 1 >/proc/sys/kernel/printk

BDF=0000:00:05.0
PCI=/sys/bus/pci/devices/$BDF
DEVICE="--device vfio:$BDF"
PATIENT="$DEVICE --deadline 60s"
QUICKLY="$DEVICE --deadline 10s"
# A simulation of the hardware is small and slow.
if grep -q kvcpu=rtl /proc/cmdline; then
    QUICK=--quick
    TIERS="--t1 24 --t2 24 --t3 0"
    LIMIT="--limit 100"
    # More shared blocks than it holds.
    ROUNDS=8
fi

# stage NAME COMMAND...: what it says is told if it fails.
stage() {
    name=$1
    shift
    echo "guest: begin $name"
    if "$@" >/tmp/said 2>&1; then
        echo "guest: ok $name"
    else
        echo "guest: fail $name, exit code $?"
        tail -n 100 /tmp/said | sed 's/^/guest: | /'
    fi
}

# Fails with what is missing.
wants() {
    grep -q -- "$1" "$2" || { echo "no \"$1\" in:"; cat "$2"; return 1; }
}

# Waits for a file, 60 seconds at most.
appears() {
    for second in $(seq 60); do
        [ -e "$1" ] && return 0
        sleep 1
    done
    echo "$1 does not appear"
    return 1
}

# Waits for a process to end, 30 seconds at most.
ends() {
    for second in $(seq 30); do
        kill -0 $1 2>/dev/null || return 0
        sleep 1
    done
    echo "process $1 does not end"
    return 1
}

device() {
    [ "$(cat $PCI/vendor)" = 0x1de5 ] && [ "$(cat $PCI/device)" = 0x0a10 ] && [ -e $PCI/iommu_group ]
}

modules() {
    for module in /modules/*; do
        insmod "$module" || return 1
    done
}

unbound_is_named() {
    kvctl $PATIENT selftest >/tmp/unbound 2>&1 && return 1
    wants vfio-pci /tmp/unbound
}

bind() {
    echo vfio-pci >$PCI/driver_override && echo $BDF >/sys/bus/pci/drivers_probe && [ -e $PCI/driver ]
}

unbind() {
    echo $BDF >/sys/bus/pci/drivers/vfio-pci/unbind && [ ! -e $PCI/driver ]
}

selftest() {
    kvctl $PATIENT selftest $QUICK >/tmp/selftest || { cat /tmp/selftest; return 1; }
    # What the kernel must be able to do for the device, and not just not fail to do.
    for row in csr-reset dma-t2 interrupt-completion fault-unmapped; do
        wants "$row.*pass" /tmp/selftest || return 1
    done
}

replay() {
    kvctl $PATIENT replay --no-baselines $TIERS $LIMIT >/tmp/replay && wants "mismatches: 0" /tmp/replay && cat /tmp/replay
}

# Memory of 2 MiB and more is of huge pages if there are any.
huge_pages() {
    echo 16 >/proc/sys/vm/nr_hugepages || return 1
    kvctl $PATIENT -vv replay --no-baselines --t1 256 --t2 1024 --t3 0 >/tmp/replay 2>/tmp/log || return 1
    wants "mismatches: 0" /tmp/replay && wants "huge=true" /tmp/log
}

# What the device asks of an address that the IOMMU does not know is refused, and told.
unmapped() {
    kvctl $PATIENT selftest --only fault-unmapped --only fault-bus-master
}

interrupts() {
    for round in 1 2 3 4 5 6 7 8 9 10; do
        kvctl $PATIENT selftest --only interrupt >/tmp/interrupts || { cat /tmp/interrupts; return 1; }
    done
}

rebind() {
    for round in 1 2 3; do
        unbind && bind && kvctl $PATIENT selftest --only identity || return 1
    done
}

# A reset under a replay: that ends by itself, and the device works again.
reset_in_traffic() {
    kvctl $QUICKLY replay --no-baselines $TIERS >/tmp/traffic 2>&1 &
    traffic=$!
    sleep 2
    kill -0 $traffic || { echo "the replay ended before the reset"; return 1; }
    echo 1 >$PCI/reset || return 1
    ends $traffic || return 1
    wait $traffic && { echo "the replay did not see the reset"; return 1; }
    cat /tmp/traffic
    grep -q panicked /tmp/traffic && return 1
    kvctl $PATIENT selftest $QUICK --only csr-reset --only rings
}

two_drivers() {
    kvctl $PATIENT uapi --name kvcpu9 $TIERS >/tmp/first 2>&1 &
    first=$!
    appears /dev/kvcpu9 || { cat /tmp/first; return 1; }
    kvctl $PATIENT selftest --only identity >/tmp/second 2>&1
    ended=$?
    kill $first
    wait $first
    cat /tmp/first /tmp/second
    [ $ended != 0 ] && wants "another driver" /tmp/second
}

# A program of the public driver on the card behind vfio-pci.
device_file() {
    kvctl $PATIENT uapi $TIERS >/tmp/uapi 2>&1 &
    server=$!
    appears /dev/kvcpu0 && uapi /dev/kvcpu0 $ROUNDS
    ended=$?
    kill $server
    wait $server
    cat /tmp/uapi
    [ $ended = 0 ] && [ ! -e /dev/kvcpu0 ]
}

# Commands that go on while the server dies. The card stays open, as closing one that is gone takes the kernel a minute and may
# end QEMU.
server_killed() {
    mkfifo /tmp/lines
    kvctl $QUICKLY shell --keep-going </tmp/lines >/tmp/last 2>&1 &
    exec 3>/tmp/lines
    echo "config $TIERS" >&3
    echo "insert 1" >&3
    answers "lookup.*T1" || return 1
    echo "guest: kill-server" >/dev/console
    answers "is gone" && ! grep panicked /tmp/last
}

# Asks for block 1 until the answers hold the words, 20 seconds at most.
answers() {
    for second in $(seq 20); do
        echo "lookup 1" >&3
        sleep 1
        grep -q "$1" /tmp/last && return 0
    done
    echo "no \"$1\" in:"
    cat /tmp/last
    return 1
}

echo "guest: booted"
stage modules modules
stage device device
stage unbound-is-named unbound_is_named
stage bind bind
stage selftest selftest
stage replay replay
# The simulated hardware holds too few blocks to need so much memory.
[ -n "$QUICK" ] || stage huge-pages huge_pages
stage unmapped unmapped
stage interrupts interrupts
stage rebind rebind
stage reset-in-traffic reset_in_traffic
stage two-drivers two_drivers
stage device-file device_file
stage server-killed server_killed
echo "guest: end"
reboot -f
