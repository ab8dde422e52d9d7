//! Trees that grow and are cut, and are asked for their roots: each in O(log n) amortized, however
//! deep they are (link-cut trees of Sleator and Tarjan). A list of references that goes through a
//! hundred thousand messages must not cost its square.

/// No node.
pub const NONE: u32 = u32::MAX;

/// Nodes 0, 1, 2 …, each with a parent or none.
#[derive(Default)]
pub struct Forest {
    parents: Vec<u32>,
    /// Children in the splay tree of a path: nodes nearer to the root left, farther ones right.
    sides: Vec<[u32; 2]>,
    /// Parent in the splay tree; of its top, the node that the path hangs on.
    above: Vec<u32>,
}

impl Forest {
    /// A new node without parent.
    pub fn add(&mut self) -> u32 {
        let node = u32::try_from(self.parents.len()).unwrap_or(NONE);
        self.parents.push(NONE);
        self.sides.push([NONE; 2]);
        self.above.push(NONE);
        node
    }

    pub fn len(&self) -> usize {
        self.parents.len()
    }

    pub fn parent(&self, node: u32) -> u32 {
        self.parents.get(node as usize).copied().unwrap_or(NONE)
    }

    /// Makes `parent` the parent of a node that has none, unless that would be a loop.
    pub fn link(&mut self, node: u32, parent: u32) {
        debug_assert_eq!(self.parent(node), NONE, "a node has one parent");
        // A node without parent is the root of all that descends from it.
        if self.root(parent) == node {
            return;
        }
        self.access(node);
        self.set_above(node, parent);
        self.set_parent(node, parent);
    }

    /// Takes a node with all its descendants from its parent.
    pub fn cut(&mut self, node: u32) {
        self.access(node);
        let rest = self.side(node, 0);
        self.set_above(rest, NONE);
        self.set_side(node, 0, NONE);
        self.set_parent(node, NONE);
    }

    fn root(&mut self, node: u32) -> u32 {
        self.access(node);
        let mut root = node;
        loop {
            match self.side(root, 0) {
                NONE => break,
                left => root = left,
            }
        }
        self.splay(root);
        root
    }

    /// Makes the path from the root to a node one splay tree, with the node on top.
    fn access(&mut self, node: u32) {
        let (mut below, mut at) = (NONE, node);
        while at != NONE {
            self.splay(at);
            self.set_side(at, 1, below);
            below = at;
            at = self.above(at);
        }
        self.splay(node);
    }

    fn splay(&mut self, node: u32) {
        while let Some((up, side)) = self.place(node) {
            if let Some((_, upper)) = self.place(up) {
                self.rotate(if upper == side { up } else { node });
            }
            self.rotate(node);
        }
    }

    /// Changes places with the node above.
    fn rotate(&mut self, node: u32) {
        let Some((up, side)) = self.place(node) else { return };
        let (top, place) = (self.above(up), self.place(up));
        let inner = self.side(node, 1 - side);
        self.set_side(up, side, inner);
        self.set_above(inner, up);
        self.set_side(node, 1 - side, up);
        self.set_above(up, node);
        self.set_above(node, top);
        if let Some((top, side)) = place {
            self.set_side(top, side, node);
        }
    }

    /// The node above in the same splay tree, and on which of its sides this one is.
    fn place(&self, node: u32) -> Option<(u32, usize)> {
        let up = self.above(node);
        let sides = self.sides.get(up as usize)?;
        let side = sides.iter().position(|side| *side == node)?;
        Some((up, side))
    }

    fn side(&self, node: u32, side: usize) -> u32 {
        self.sides.get(node as usize).and_then(|sides| sides.get(side)).copied().unwrap_or(NONE)
    }
    fn above(&self, node: u32) -> u32 {
        self.above.get(node as usize).copied().unwrap_or(NONE)
    }
    fn set_parent(&mut self, node: u32, parent: u32) {
        if let Some(slot) = self.parents.get_mut(node as usize) {
            *slot = parent;
        }
    }
    fn set_side(&mut self, node: u32, side: usize, to: u32) {
        if let Some(slot) = self.sides.get_mut(node as usize).and_then(|s| s.get_mut(side)) {
            *slot = to;
        }
    }
    fn set_above(&mut self, node: u32, to: u32) {
        if let Some(slot) = self.above.get_mut(node as usize) {
            *slot = to;
        }
    }
}
