#!/usr/bin/env python3
"""Makes demo/recording.lp: CPU usage of five hosts over 6 h 40 min, as Telegraf writes it.

The data is made up, and the same on every run: `python3 demo/make_recording.py`. What is in it on
purpose:

- 20 anomalies: spikes, drops to (nearly) 0, short plateaus; see ANOMALIES.
- Loads that rise and fall slowly, which are no anomalies: the morning's traffic, an hourly job, two
  bursts.
- cache-1 is silent for 14 minutes, and now and then a host misses a point.
- A few points of db-1 have no usage_user.
"""

import math
import pathlib
import random

START = 1772431200  # 2026-03-02 06:00:00 UTC, a Monday
STEP = 10
COUNT = 2400

# host: (cores, noise, usage_system as a part of usage_user)
HOSTS = {
    "web-1": (8, 1.7, 0.22),
    "web-2": (8, 1.7, 0.22),
    "db-1": (16, 1.3, 0.35),
    "cache-1": (4, 0.7, 0.60),
    "batch-1": (8, 1.5, 0.12),
}

# host: [(minute, number of points, usage_user)]
ANOMALIES = {
    "web-1": [(47.5, 2, 88), (163.0, 1, 93), (246.0, 3, 84), (334.5, 2, 96)],
    "web-2": [(83.5, 2, 71), (225.5, 1, 92), (303.5, 4, 0), (376.0, 2, 90)],
    "db-1": [(34.0, 1, 79), (132.0, 9, 94), (274.5, 5, 2), (366.0, 2, 88)],
    "cache-1": [(65.0, 2, 41), (194.0, 1, 56), (283.0, 7, 38), (356.5, 1, 62)],
    "batch-1": [(94.0, 3, 1), (174.5, 1, 57), (234.5, 1, 71), (328.0, 2, 86)],
}

SILENT = {"cache-1": (232.0, 246.0)}
WITHOUT_USER = {"db-1": {415, 416, 1190, 1777, 2008}}


def smooth(x):
    """0 before 0, 1 after 1, without a corner."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)


def burst(minute, start, end, ramp):
    return smooth((minute - start) / ramp) - smooth((minute - end) / ramp)


def level(host, minute):
    """What the host would show without noise."""
    wave = math.sin(2 * math.pi * minute / 60)
    if host == "web-1":
        return 16 + 30 * smooth(minute / 330) + 3 * wave + 13 * burst(minute, 186, 212, 12)
    if host == "web-2":
        return 14 + 28 * smooth((minute - 15) / 330) + 3 * math.sin(2 * math.pi * minute / 60 + 0.6)
    if host == "db-1":
        return 33 + 9 * math.sin(2 * math.pi * (minute - 60) / 380) + 3 * wave + 16 * burst(minute, 300, 334, 14)
    if host == "cache-1":
        return 8 + 5 * smooth(minute / 300) + 1.2 * wave
    # An hourly job of half an hour.
    return 11 + 37 * burst(minute % 60, 14, 44, 3.5)


def main():
    lines = []
    for host, (cores, noise, system_part) in HOSTS.items():
        rng = random.Random(f"kapacitor-wasm {host}")
        drift = 0.0
        for i in range(COUNT):
            minute = i * STEP / 60
            # Noise with some memory, as the load of a host has.
            drift = 0.75 * drift + rng.gauss(0, noise)
            user = level(host, minute) + drift + rng.gauss(0, noise / 2)
            for start, count, value in ANOMALIES[host]:
                if 0 <= i - round(start * 60 / STEP) < count:
                    user = value + rng.gauss(0, 1.2)
            user = min(max(user, 0.0), 99.0)
            system = min(max(user * system_part + rng.gauss(0.8, 0.25), 0.1), 100 - user)
            idle = max(100 - user - system, 0.0)
            lost = rng.random() < 0.0015
            silent = SILENT.get(host, (0.0, 0.0))
            if lost or silent[0] <= minute < silent[1]:
                continue
            fields = [f"usage_system={system:.2f}", f"usage_idle={idle:.2f}", f"n_cpus={cores}i"]
            if i not in WITHOUT_USER.get(host, ()):
                fields.insert(0, f"usage_user={user:.2f}")
            time = (START + i * STEP) * 10**9
            lines.append((time, f"cpu,cpu=cpu-total,host={host} {','.join(fields)} {time}"))
    lines.sort(key=lambda line: line[0])
    text = "".join(line + "\n" for _, line in lines)
    pathlib.Path(__file__).with_name("recording.lp").write_text(text)


if __name__ == "__main__":
    main()
