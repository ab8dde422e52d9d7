//! The chi-square distribution, as Fisher's method of combining probabilities needs it.

/// The probability that chi-square with `2 * pairs` degrees of freedom is at least `2 * half`.
///
/// Summed in logarithms, so that neither many tokens nor strong ones underflow.
#[must_use]
pub fn at_least(half: f64, pairs: usize) -> f64 {
    if half <= 0.0 {
        return 1.0;
    }
    let logarithm = half.ln();
    let (mut term, mut sum) = (-half, (-half).exp());
    for at in 1..pairs {
        term += logarithm - (at as f64).ln();
        sum += term.exp();
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_tables() {
        // 5 % points of chi-square for 2, 10 and 100 degrees of freedom.
        for (chi, pairs) in [(5.991, 1), (18.307, 5), (124.342, 50)] {
            assert!((at_least(chi / 2.0, pairs) - 0.05).abs() < 1e-4, "{chi}");
        }
        assert_eq!(at_least(0.0, 3), 1.0);
        assert!(at_least(5_000.0, 150) < 1e-300);
        assert!(at_least(1.0, 150) > 0.999_999);
    }
}
