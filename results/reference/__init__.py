"""The paper's reported figures, as a package so that an installed rtbench finds them."""
