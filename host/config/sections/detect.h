/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `detect`: what a run does to find results that are wrong (docs/DETECTORS.md). No key
 * changes a list. */
#ifndef BR_HOST_CONFIG_SECTIONS_DETECT_H
#define BR_HOST_CONFIG_SECTIONS_DETECT_H

#define BR_CHOICES_ON_FAULT "stop|correct"

enum { BR_ON_FAULT_STOP, BR_ON_FAULT_CORRECT };

/* clang-format off */
#define BR_DETECT_KEYS(X) \
    X(INT, "detect.golden", detect_golden, "16", 0, 1024, BR_KEY_LOCAL, \
      "customers whose vectors and lists every lane computes at the start, again and again, " \
      "and at the end; at most 1 in 64; 0: none", "") \
    X(INT, "detect.golden_units", detect_golden_units, "64", 1, 1e9, BR_KEY_LOCAL, \
      "work units from one such look, and one at the memory, to the next", "") \
    X(BOOL, "detect.checksums", detect_checksums, "true", 0, 0, BR_KEY_LOCAL, \
      "a sample of the score pass's sums is added up and compared with what it must be", "") \
    X(BOOL, "detect.listed", detect_listed, "true", 0, 0, BR_KEY_LOCAL, \
      "every listed score is computed again from its pair before it is written", "") \
    X(INT, "detect.samples", detect_samples, "300", 0, 1e6, BR_KEY_LOCAL, \
      "customers whose whole list the reference makes again, at least (small jobs: 1 in 10); 0: " \
      "none", "") \
    X(INT, "detect.sample_one_in", detect_sample_one_in, "10000", 1, 1e9, BR_KEY_LOCAL, \
      "the same, where this is more: one customer in so many", "") \
    X(BOOL, "detect.memory", detect_memory, "true", 0, 0, BR_KEY_LOCAL, \
      "weights and catalogue in device memory are hashed when they are there and at the end", "") \
    X(BOOL, "detect.read_back", detect_read_back, "true", 0, 0, BR_KEY_LOCAL, \
      "a part is made twice, read back and compared before its receipt is written", "") \
    X(CHOICE, "detect.on_fault", detect_on_fault, "stop", 0, 0, BR_KEY_LOCAL, \
      "a list that the reference makes otherwise: the run ends with exit code 6, or goes on with " \
      "the reference's", BR_CHOICES_ON_FAULT)
/* clang-format on */

#endif
