# SPDX-License-Identifier: Apache-2.0
# Benchmarks of the scoring ops.
add_executable(bench_score_topk bench_score_topk.c)
target_link_libraries(bench_score_topk PRIVATE peaks br_kernels br_base m)
add_executable(bench_peaks bench_peaks.c)
target_link_libraries(bench_peaks PRIVATE peaks)
add_executable(topk_side topk_side.c npy_vector.c)
target_link_libraries(topk_side PRIVATE br_io br_kernels br_base m)
add_executable(bench_screen bench_screen.c)
target_link_libraries(bench_screen PRIVATE peaks br_kernels br_base)
add_executable(bench_pair_mlp bench_pair_mlp.c)
target_link_libraries(bench_pair_mlp PRIVATE peaks br_kernels br_base m)
add_executable(bench_draw_topk bench_draw_topk.c)
target_link_libraries(bench_draw_topk PRIVATE br_kernels br_base m)
