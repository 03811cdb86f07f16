"""Methods on better and worse completions: DPO, IPO, SimPO and ORPO of pairs, KTO of single ones."""
