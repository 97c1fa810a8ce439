# SPDX-License-Identifier: Apache-2.0
# The cuda backend's sources, one list for nvcc and for the emulated device. gemm.cu, the only one
# that needs cuBLASLt, is apart: the emulated device has a twin of it.
set(BR_CUDA_SOURCES
  device.cu graph.cu transfer.cu share.cu weight.cu
  encoder/embed.cu encoder/layer_norm.cu encoder/linear.cu encoder/last_rows.cu
  encoder/decay_pool.cu encoder/units.cu encoder/attention.cu encoder/attention_wide.cu
  encoder/attention_last.cu encoder/gru.cu
  block/choose.cu block/self_attention.cu block/feed_forward.cu
  fusion/gather_rows.cu fusion/copy_rows.cu fusion/fuse_inputs.cu fusion/fuse.cu
  fusion/norm_band.cu fusion/mlp.cu
  score/score_pairs.cu score/pair_mlp.cu score/calibrate.cu
  hopper/tensor_map.cu hopper/screen.cu hopper/sums.cu
  topk/plan.cu topk/items.cu topk/queries.cu topk/screen.cu topk/foretell.cu topk/finish.cu
  topk/slow.cu topk/sums.cu topk/logsumexp.cu topk/score_topk.cu
  draw/check.cu draw/heads.cu draw/lists.cu draw/all.cu draw/slow.cu draw/sums.cu draw/epsilon.cu
  draw/part.cu draw/draw_topk.cu)
list(TRANSFORM BR_CUDA_SOURCES PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
set(BR_CUDA_GEMM ${CMAKE_CURRENT_LIST_DIR}/gemm.cu)
set(BR_CUDA_TABLE ${CMAKE_CURRENT_LIST_DIR}/table.c ${CMAKE_CURRENT_LIST_DIR}/choose.c)
