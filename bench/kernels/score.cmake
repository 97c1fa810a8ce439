# SPDX-License-Identifier: Apache-2.0
# Benchmarks of the scoring ops.
add_executable(bench_score_topk bench_score_topk.c peaks.c)
target_link_libraries(bench_score_topk PRIVATE br_kernels br_base m)
add_executable(bench_peaks bench_peaks.c peaks.c)
target_link_libraries(bench_peaks PRIVATE br_base)
add_executable(topk_side topk_side.c npy_vector.c)
target_link_libraries(topk_side PRIVATE br_io br_kernels br_base m)
add_executable(bench_screen bench_screen.c peaks.c)
target_link_libraries(bench_screen PRIVATE br_kernels br_base)
