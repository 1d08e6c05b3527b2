//! Says how trees are computed here.

use super::{Number, PackedTrees};

impl<N: Number> PackedTrees<N> {
    /// How the leaves of a batch are found, in words: `100 trees by masks of leaves, AVX-512`.
    pub(crate) fn kernel(&self) -> String {
        let walked: usize = (self.chunks.iter())
            .map(|chunk| chunk.walked_by_block.plain.len() + chunk.walked_by_block.categorical.len())
            .sum();
        let trees = |count: usize| if count == 1 { "1 tree".to_owned() } else { format!("{count} trees") };
        let ways = [(self.trees() - walked, "by masks of leaves"), (walked, "walked, several rows abreast")];
        let told = ways.iter().filter(|(count, _)| *count > 0);
        let told: Vec<String> = told.map(|(count, way)| format!("{} {way}", trees(*count))).collect();
        format!("{}; {}", told.join(", "), instructions())
    }
}

/// The widest instructions that the processor has of those the kernels use.
fn instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
        {
            return "AVX-512";
        }
        if is_x86_feature_detected!("avx2") {
            return "AVX2";
        }
    }
    "no wide instructions"
}
