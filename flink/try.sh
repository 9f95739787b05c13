#!/usr/bin/env bash
# Runs the job jar on a real cluster, ends its parts with kill -9, and compares the results with what they should be.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    cat <<'END'
Usage: flink/try.sh [OPTION]...

Starts, on loopback: a Kafka broker; a job manager of Flink; two task managers, each with a host. Sends points at a rate,
and meanwhile ends with kill -9 a task manager, a host and the job manager, and changes the parallelism from 2 to 3.
Then it compares the committed results with the expected ones, and says how long each failure kept results back. Exits
with 0 if no point is missing, twice or wrong; with 3 if one is; with 75 if a program or a download can't be had.

  --points N       number of points (2000000)
  --rate N         points for each second (16000); the last quarter comes slower until all steps are done
  --work DIR       folder for downloads, which stay there (target/try); all else goes to a temporary folder
  --flink VERSION  version of Flink (2.2.1)
  --kafka VERSION  version of Kafka (4.2.2)
  --jar FILE       the job jar (job/target/kapacitor-wasm-flink.jar)
  --break          the control: at-least-once delivery instead of exactly-once, and only a task manager is ended. The
                   comparison must then find points twice, so this must exit with 3
  --keep           keep the temporary folder with the logs

Variables: KAPACITOR_WASM is the program of the host (../target/release/kapacitor-wasm), KAPACITOR_WASM_PLUGINS the folder
of the plugins (../plugins). Needs Java 17, Maven, Python with pip, unzip and curl, and 4 GB of memory.
END
}

points=2000000 rate=16000 work=target/try flink=2.2.1 kafka=4.2.2
jar=job/target/kapacitor-wasm-flink.jar delivery=exactly-once control= keep=
while [ $# -gt 0 ]; do
    case $1 in
        --points | --rate | --work | --flink | --kafka | --jar)
            [ $# -ge 2 ] || { echo "try.sh: $1 needs a value" >&2; exit 2; }
            declare "${1#--}=$2"
            shift
            ;;
        --break) delivery=at-least-once control=yes ;;
        --keep) keep=yes ;;
        --help | -h) usage; exit ;;
        *) echo "try.sh: there is no option $1; --help lists them" >&2; exit 2 ;;
    esac
    shift
done
binary=$(realpath -m "${KAPACITOR_WASM:-../target/release/kapacitor-wasm}")
plugins=$(realpath -m "${KAPACITOR_WASM_PLUGINS:-../plugins}")
for file in "$binary" "$plugins/moving_avg.wasm" "$jar"; do
    [ -e "$file" ] || { echo "try.sh: there is no $file; build it before" >&2; exit 2; }
done
jar=$(realpath "$jar")
for program in java javac mvn python3 unzip curl; do
    command -v "$program" >/dev/null || { echo "try.sh: skipped: there is no $program here" >&2; exit 75; }
done
mkdir -p "$work"
work=$(realpath "$work")

# The processes that were started, by name. All of them end with the script.
declare -A pids=()
# A short path, since that of a socket has 107 bytes at most.
run=$(mktemp -d /tmp/kwt-XXXXXX)

finish() {
    local status=$? name
    trap - EXIT INT TERM
    for name in "${!pids[@]}"; do kill -9 "${pids[$name]}" 2>/dev/null || true; done
    wait 2>/dev/null || true
    if [ -n "$keep" ]; then echo "the logs are in $run"; else rm -rf "$run"; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

fail() {
    echo "try.sh: $*" >&2
    tail -n 5 "$run"/*.log >&2 2>/dev/null || true
    exit 1
}

# Prints a task manager that runs a part of the job: to end one without would show nothing.
busy() {
    curl -sf "$rest/taskmanagers" | python3 -c '
import json, sys
for each in json.load(sys.stdin)["taskmanagers"]:
    if each["freeSlots"] < each["slotsNumber"]:
        print(each["id"].rsplit("-", 1)[0])
        break
else:
    sys.exit("no task manager runs the job")'
}

# Runs "$@" until it succeeds, at most $1 seconds; "$2" is what it waits for.
await() {
    local seconds=$1 what=$2 end=$((SECONDS + $1))
    shift 2
    until "$@" 2>/dev/null; do
        [ $SECONDS -lt $end ] || fail "$what did not come within $seconds s"
        sleep 0.3
    done
}

# Starts "${@:2}" in the background under the name $1, with a log.
start() {
    local name=$1
    shift
    "$@" >>"$run/$name.log" 2>&1 </dev/null &
    pids[$name]=$!
    disown
}

kill_hard() {
    # Looks for the first result after the kill. With at-least-once, some that are taken back would be seen.
    rm -f "$run/failure" "$run/watch.log"
    if [ -z "$control" ]; then
        start watch java -Xmx64m -cp "$run/classes:$kafka_path" TryPoints resumed "$broker" cpu-means "$run/failure"
        await 30 'the consumer' grep -q ready "$run/watch.log"
    fi
    kill -9 "${pids[$1]}"
    date +%s%3N >"$run/failure.new"
    mv "$run/failure.new" "$run/failure"
    echo "$(elapsed): kill -9 of $1, at point $(cat "$run/progress")"
    # The kernel takes a while to end a host with many sandboxes, and the next one can't use its folder before.
    await 30 "the end of $1" is_gone "${pids[$1]}"
}
is_gone() { ! kill -0 "$1"; }

elapsed() { printf '%4d s' "$SECONDS"; }

download() {
    if [ ! -d "$work/flink-$flink/lib" ]; then
        rm -rf "$work/flink.new"
        python3 -m pip download --quiet --no-deps --dest "$work/flink.new" "apache-flink-libraries==$flink" || return 1
        (cd "$work/flink.new" && unzip -qo ./*.whl 'pyflink/lib/*' && rm ./*.whl) || return 1
        mv "$work/flink.new/pyflink" "$work/flink-$flink" && rm -r "$work/flink.new"
    fi
    if [ ! -d "$work/kafka-$kafka" ]; then
        rm -rf "$work/kafka.new"
        mvn --batch-mode --quiet --file kafka/pom.xml dependency:copy-dependencies -Dkafka.version="$kafka" \
            -DoutputDirectory="$work/kafka.new/lib" || return 1
        mv "$work/kafka.new" "$work/kafka-$kafka"
    fi
}
download >"$run/download.log" 2>&1 || {
    cat "$run/download.log"
    echo 'try.sh: skipped: Flink or Kafka can not be had here' >&2
    exit 75
}

kafka_path="$work/kafka-$kafka/lib/*"
flink_path="$work/flink-$flink/lib/*"
opens=(--add-opens=java.base/java.util=ALL-UNNAMED --add-opens=java.base/java.lang=ALL-UNNAMED
    --add-opens=java.base/java.util.concurrent=ALL-UNNAMED --add-opens=java.base/java.time=ALL-UNNAMED)
mkdir "$run/classes"
javac --release 17 -cp "$kafka_path" -d "$run/classes" try/TryPoints.java
data() { java -Xmx512m -cp "$run/classes:$kafka_path" TryPoints "$@" 2>>"$run/data.log"; }
mapfile -t ports < <(data ports 5)
broker=127.0.0.1:${ports[0]}
rest=http://127.0.0.1:${ports[2]}

cat >"$run/kafka.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:${ports[1]}
listeners=PLAINTEXT://$broker,CONTROLLER://127.0.0.1:${ports[1]}
advertised.listeners=PLAINTEXT://$broker
controller.listener.names=CONTROLLER
log.dirs=$run/kafka
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
END
java -cp "$kafka_path" kafka.tools.StorageTool format -t "$(java -cp "$kafka_path" kafka.tools.StorageTool random-uuid 2>>"$run/format.log")" \
    -c "$run/kafka.properties" --standalone >"$run/format.log" 2>&1 || fail 'the broker has no folder'
start kafka java -Xmx512m -cp "$kafka_path" kafka.Kafka "$run/kafka.properties"
await 60 'the broker' data create "$broker" telegraf cpu-means

# Writes the configuration of Flink for $1, with the sockets of its host.
configure() {
    mkdir -p "$run/conf-$1"
    cat >"$run/conf-$1/config.yaml" <<END
jobmanager.rpc.address: 127.0.0.1
jobmanager.rpc.port: ${ports[3]}
jobmanager.bind-host: 127.0.0.1
jobmanager.memory.heap.size: 320m
rest.address: 127.0.0.1
rest.port: ${ports[2]}
rest.bind-address: 127.0.0.1
taskmanager.host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
taskmanager.resource-id: $1-$SECONDS
taskmanager.numberOfTaskSlots: 2
taskmanager.load-balance.mode: SLOTS
taskmanager.cpu.cores: 2.0
taskmanager.memory.task.heap.size: 320m
taskmanager.memory.task.off-heap.size: 0m
taskmanager.memory.framework.heap.size: 96m
taskmanager.memory.framework.off-heap.size: 128m
taskmanager.memory.network.min: 64m
taskmanager.memory.network.max: 64m
taskmanager.memory.managed.size: 16m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 64m
taskmanager.memory.jvm-overhead.max: 64m
heartbeat.interval: 1000
heartbeat.timeout: 5000
io.tmp.dirs: $run/tmp
execution.checkpointing.dir: file://$run/checkpoints
execution.checkpointing.externalized-checkpoint-retention: RETAIN_ON_CANCELLATION
execution.checkpointing.tolerable-failed-checkpoints: 100
restart-strategy.type: fixed-delay
restart-strategy.fixed-delay.attempts: 1000
restart-strategy.fixed-delay.delay: 1s
kapacitor-wasm.socket-dir: $run/$1/s
END
    cat >"$run/log4j2.properties" <<'END'
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %-5p %c{1} %m%n%ex
END
}

start_host() {
    mkdir -p "$run/$1/s"
    cat >"$run/$1/udf.toml" <<END
plugins-dir = "$run/plugins"
socket-dir = "$run/$1/s"
state-dir = "$run/$1/state"
[sessions]
queue = "256KiB"
END
    local before
    before=$(grep -c msg=ready "$run/host-$1.log" 2>/dev/null || true)
    start "host-$1" "$binary" serve --config "$run/$1/udf.toml"
    await 60 "the host of $1" more_ready "$1" "${before:-0}"
}
more_ready() { [ "$(grep -c msg=ready "$run/host-$1.log")" -gt "$2" ]; }

start_task_manager() {
    configure "$1"
    start "$1" java -Xmx448m -XX:MaxMetaspaceSize=256m "${opens[@]}" -Dlog4j2.configurationFile="$run/log4j2.properties" \
        -cp "$flink_path" org.apache.flink.runtime.taskexecutor.TaskManagerRunner --configDir "$run/conf-$1"
}

start_job_manager() {
    configure job-manager
    start job-manager java -Xmx400m "${opens[@]}" -Dlog4j2.configurationFile="$run/log4j2.properties" -cp "$flink_path" \
        org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint --configDir "$run/conf-job-manager"
    await 120 'the job manager with two task managers' task_managers 2
}
task_managers() { [ "$(curl -sf "$rest/taskmanagers" | grep -o '"slotsNumber"' | wc -l)" -ge "$1" ]; }

cli() {
    FLINK_CONF_DIR="$run/conf-job-manager" java -Xmx256m "${opens[@]}" -Dlog4j2.configurationFile="$run/log4j2.properties" \
        -cp "$flink_path" org.apache.flink.client.cli.CliFrontend "$@" >"$run/cli.out" 2>"$run/cli.log"
}

# Submits the job with parallelism $1, from the state $2 if it is given.
submit() {
    local from=()
    [ -z "${2:-}" ] || from=(--fromSavepoint "$2")
    cli run --detached --parallelism "$1" "${from[@]}" "$jar" "$run/job.toml" ||
        { cat "$run/cli.log" "$run/cli.out"; fail 'the job was not submitted'; }
    job=$(grep -o 'JobID [0-9a-f]*' "$run/cli.out" | cut -d' ' -f2)
    restored=$([ -z "${2:-}" ] && echo 0 || echo 1)
    settled
}

count() { curl -sf "$rest/jobs/$job/checkpoints" | grep -o "\"$1\":[0-9]*" | head -1 | cut -d: -f2; }
is_restored() { [ "$(count restored)" -ge "$1" ]; }
is_completed() { [ "$(count completed)" -ge "$1" ]; }

# Waits until the job has been restored, results come again, and two checkpoints are completed.
settled() {
    await 90 'the restored job' is_restored "$restored"
    if [ -e "$run/failure" ] && [ -z "$control" ]; then
        await 90 'a result after the failure' is_gone "${pids[watch]}"
        seconds=$(tail -n 1 "$run/watch.log")
        [[ $seconds =~ ^[0-9.]+$ ]] || fail 'the consumer has failed'
        echo "$(elapsed): a consumer has results again, $seconds s after the kill"
        rm "$run/failure"
    fi
    local completed
    completed=$(count completed)
    await 90 'two checkpoints' is_completed $((completed + 2))
    echo "$(elapsed): the job runs, with $(count completed) checkpoints, at point $(cat "$run/progress")"
}

again() {
    restored=$((restored + 1))
    settled
}

# Right behind a checkpoint there would be no results that come again, and the control would find nothing: it waits for
# a second, in which there is no other checkpoint.
interval=1s
[ -z "$control" ] || interval=3s
has_come() { [ "$(cat "$run/progress")" -ge "$1" ]; }

# The example of the documentation, with other addresses.
sed -n '/^# job.toml: from Kafka to Kafka/,/^```/{/^```/!p}' ../docs/scale.md |
    sed -e "s|^bootstrap-servers = .*|bootstrap-servers = [\"$broker\"]\n[kafka.properties]\n\"default.api.timeout.ms\" = 60000\n\"request.timeout.ms\" = 60000|" -e "s|^checkpoint-interval = .*|checkpoint-interval = \"$interval\"|" \
        -e "s|^\[sink\]|[sink]\ndelivery = \"$delivery\"|" >"$run/job.toml"
[ -s "$run/job.toml" ] || fail 'docs/scale.md has no example'
mkdir "$run/plugins" "$run/tmp"
cp "$plugins/moving_avg.wasm" "$run/plugins/"
echo 0 >"$run/progress"
for name in task-manager-0 task-manager-1; do
    start_host "$name"
    start_task_manager "$name"
done
start_job_manager
echo "$(elapsed): a broker, a job manager, two task managers and two hosts run"
start produce java -Xmx512m -cp "$run/classes:$kafka_path" TryPoints produce "$broker" telegraf "$points" "$rate" "$run/progress" \
    "$run/done"
submit 2

[ -z "$control" ] || await 60 'a second of points' has_come $(($(cat "$run/progress") + rate))
name=$(busy)
kill_hard "$name"
start_task_manager "$name"
again

# The other steps, which the control does not need.
others() {
    name=$(busy)
    kill_hard "host-$name"
    start_host "$name"
    again

    kill_hard job-manager
    checkpoint=$(ls -td "$run"/checkpoints/"$job"/chk-* | while read -r each; do
        [ ! -e "$each/_metadata" ] || { echo "$each"; break; }
    done)
    start_job_manager
    submit 2 "$checkpoint"

    cli stop --savepointPath "file://$run/savepoints" "$job" || { cat "$run/cli.log"; fail 'there is no savepoint'; }
    echo "$(elapsed): the job has stopped with a savepoint"
    submit 3 "$(ls -d "$run"/savepoints/*)"
    echo "$(elapsed): parallelism 3"
}
[ -n "$control" ] || others
touch "$run/done"
sent=$(cat "$run/progress")
[ "$sent" -lt "$points" ] || fail "all $points points were sent before the last step: give more --points, or a lower --rate"
echo "$(elapsed): all steps were done while points came"

data check "$broker" cpu-means "$points" $(((points - sent) / rate + 120))
echo "$(elapsed): all $points points are there, once each, with the expected values"
